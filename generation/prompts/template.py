"""A prompt template, and what it renders. What fills its places is text and is never parsed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal

from langchain_core.prompts import ChatPromptTemplate, FewShotChatMessagePromptTemplate

from core.types import Passage
from generation.language import Language
from generation.types import Example, Message, Role, Style

_ROLES: Final[dict[str, Role]] = {"system": "system", "human": "user", "ai": "assistant"}
# What a template calls the language of the question, by its own language.
_LANGUAGES: Final[Mapping[Language, Mapping[Language, str]]] = {
    "en": {"en": "English", "es": "Spanish"},
    "es": {"en": "inglés", "es": "español"},
}

Choosing = Literal["fixed", "similar"]


@dataclass(frozen=True, slots=True)
class PromptTexts:
    """The parts of a template in one language.

    `assistant` is how an example's answer reads. `answer_mark` is what the model writes between its
    reasoning and its answer; empty where it does not reason. `examples` are those of the template.
    """

    system: str
    passage: str
    user: str
    assistant: str = "{answer}"
    answer_mark: str = ""
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class FewShot:
    """Which examples are shown, at most `max`.

    "fixed": the template's own. "similar": approved answers to questions near the one that is
    asked, filled up with the template's own.
    """

    choose: Choosing
    max: int


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """An immutable template. What it renders begins with the parts that stay the same.

    `style`, where it is given, goes before the setting. `max_reasoning_tokens` may be written
    besides the answer's own.
    """

    name: str
    version: int
    texts: Mapping[Language, PromptTexts]
    description: str = ""
    style: Style | None = None
    few_shot: FewShot | None = None
    max_reasoning_tokens: int = 0

    @property
    def reference(self) -> str:
        """`name@version`, as receipts and callers write it."""
        return f"{self.name}@{self.version}"

    @property
    def sha256(self) -> str:
        """Hash of everything that decides what is rendered and written, in every language."""
        said: dict[str, Any] = {
            language: _without_defaults(texts) for language, texts in self.texts.items()
        }
        options = {
            "style": self.style,
            "few_shot": self.few_shot and asdict(self.few_shot),
            "max_reasoning_tokens": self.max_reasoning_tokens,
        }
        said |= {name: value for name, value in options.items() if value}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def texts_for(self, language: Language) -> PromptTexts:
        """The parts in this language, or in the only one that there is."""
        return self.texts[self._language(language)]

    def own_examples(self, language: Language) -> tuple[Example, ...]:
        """The examples that it brings itself, as many as are shown."""
        return self.texts_for(language).examples[: self.few_shot.max if self.few_shot else 0]

    def render(
        self,
        question: str,
        passages: Sequence[Passage],
        language: Language,
        *,
        examples: Sequence[Example] = (),
    ) -> list[Message]:
        """The messages that ask `question` of `passages`, in the order given."""
        texts = self.texts_for(language)
        called = _LANGUAGES[self._language(language)][language]
        turn = ChatPromptTemplate.from_messages([("human", texts.user), ("ai", texts.assistant)])
        template = ChatPromptTemplate.from_messages(
            [
                ("system", texts.system),
                FewShotChatMessagePromptTemplate(
                    examples=[_places_of(each, texts, called) for each in examples],
                    example_prompt=turn,
                ),
                ("human", texts.user),
            ]
        )
        blocks = [
            texts.passage.format(number=number, source=passage.place, text=passage.readable)
            for number, passage in enumerate(passages, start=1)
        ]
        rendered = template.format_messages(
            passages="\n\n".join(blocks), question=question, language=called
        )
        return [Message(_ROLES[item.type], str(item.content)) for item in rendered]

    def _language(self, language: Language) -> Language:
        return language if language in self.texts else next(iter(self.texts))


def _places_of(example: Example, texts: PromptTexts, language: str) -> dict[str, str]:
    return {
        "passages": texts.passage.format(number=1, source=example.source, text=example.passage),
        "question": example.question,
        "answer": example.answer,
        "reasoning": example.reasoning,
        "language": language,
    }


def _without_defaults(texts: PromptTexts) -> dict[str, Any]:
    # what a part says by default is not hashed: a part that is new changes no earlier hash
    said = asdict(texts)
    said["examples"] = [
        {name: value for name, value in example.items() if value} for example in said["examples"]
    ]
    return {
        each.name: said[each.name]
        for each in fields(texts)
        if getattr(texts, each.name) != each.default
    }
