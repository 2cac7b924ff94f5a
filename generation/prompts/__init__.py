"""Versioned prompt templates. Text from documents fills a place in them and is never parsed."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import yaml
from langchain_core.prompts import ChatPromptTemplate

from core.errors import CimientoError
from core.types import Passage
from generation.language import Language
from generation.types import Message, Role

_ROLES: Final[dict[str, Role]] = {"system": "system", "human": "user", "ai": "assistant"}


class PromptNotFoundError(CimientoError):
    """No prompt template has this name, or not in this version."""

    code = "prompt_not_found"


@dataclass(frozen=True, slots=True)
class PromptTexts:
    """The parts of a template in one language."""

    system: str
    passage: str
    user: str


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """An immutable template. What it renders begins with the parts that stay the same."""

    name: str
    version: int
    texts: dict[Language, PromptTexts]

    @property
    def reference(self) -> str:
        """`name@version`, as receipts and callers write it."""
        return f"{self.name}@{self.version}"

    @property
    def sha256(self) -> str:
        """Hash of everything that the template says, in every language."""
        texts = {language: asdict(each) for language, each in self.texts.items()}
        return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()

    def render(
        self, question: str, passages: Sequence[Passage], language: Language
    ) -> list[Message]:
        """The messages that ask `question` of `passages`, in the order given."""
        texts = self.texts[language]
        blocks = [
            texts.passage.format(number=number, source=passage.place, text=passage.readable)
            for number, passage in enumerate(passages, start=1)
        ]
        template = ChatPromptTemplate.from_messages(
            [("system", texts.system), ("human", texts.user)]
        )
        rendered = template.format_messages(passages="\n\n".join(blocks), question=question)
        return [Message(_ROLES[item.type], str(item.content)) for item in rendered]


@cache
def load_prompt(reference: str) -> PromptTemplate:
    """Load a built-in template by `name` or `name@version`. Raises `PromptNotFoundError`."""
    name, _, version = reference.partition("@")
    source = files(__name__).joinpath(f"{name}.yaml")
    if not name.isidentifier() or not source.is_file():
        raise PromptNotFoundError(f"there is no prompt named {name!r}; built in: direct")
    record = yaml.safe_load(source.read_text(encoding="utf-8"))
    template = PromptTemplate(
        name=record["name"],
        version=record["version"],
        texts={"en": PromptTexts(**record["en"]), "es": PromptTexts(**record["es"])},
    )
    if version and version != str(template.version):
        raise PromptNotFoundError(f"prompt {name!r} has version {template.version}, not {version}")
    return template
