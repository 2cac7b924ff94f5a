"""Read a template from YAML. Refuses, with the line, what cannot be rendered or is no plain text.

A template may come from anybody who may make one: no anchors or tags are followed, nothing is
constructed from it but text, numbers and lists of these, and every size has a limit.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from core.errors import CimientoError
from generation.language import Language
from generation.prompts.places import PlaceFault, check_places, find_place
from generation.prompts.template import Choosing, FewShot, PromptTemplate, PromptTexts
from generation.types import Example, Style

MAX_SOURCE_CHARS: Final = 64 * 1024
MAX_EXAMPLES: Final = 16
_MAX_PART_CHARS: Final = 8000
_MAX_LISTED: Final = 32
_MAX_DEPTH: Final = 6
_MAX_REASONING_TOKENS: Final = 4096
_MAX_TOLD: Final = 10
_LANGUAGES: Final[tuple[Language, ...]] = ("en", "es")
_INT_TAG: Final = "tag:yaml.org,2002:int"
_MAX_INT_DIGITS: Final = 6

# By part: the variables that it may hold, and those that it must.
_PLACES: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "system": (("language",), ()),
    "passage": (("number", "source", "text"), ("text",)),
    "user": (("passages", "question", "language"), ("passages", "question")),
}

_Text = Annotated[str, StringConstraints(min_length=1, max_length=_MAX_PART_CHARS)]
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


@dataclass(frozen=True, slots=True)
class SourceFault:
    """What is wrong with a template: in which line, and of which part."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        """As a person reads it."""
        place = f"{self.field}: " if self.field else ""
        return f"line {self.line}: {place}{self.message}"


class BadPromptError(CimientoError):
    """A template does not parse, lacks a variable or has one that there is not."""

    code = "bad_prompt"

    def __init__(self, *faults: SourceFault) -> None:
        told = [str(fault) for fault in faults[:_MAX_TOLD]]
        more = len(faults) - len(told)
        super().__init__("; ".join([*told, *([f"and {more} more faults"] if more else [])]))
        self.faults = faults


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _ExampleIn(_Strict):
    question: _Text
    passage: _Text
    answer: _Text
    source: Annotated[str, Field(max_length=512)] = ""
    reasoning: Annotated[str, Field(max_length=_MAX_PART_CHARS)] = ""


class _TextsIn(_Strict):
    system: _Text
    passage: _Text
    user: _Text
    assistant: _Text | None = None
    answer_mark: Annotated[str, StringConstraints(min_length=2, max_length=40)] | None = None
    examples: Annotated[list[_ExampleIn], Field(max_length=_MAX_LISTED)] = []


class _FewShotIn(_Strict):
    choose: Choosing = "fixed"
    max: Annotated[int, Field(ge=1, le=MAX_EXAMPLES)] = 3


class _ReasoningIn(_Strict):
    max_tokens: Annotated[int, Field(ge=1, le=_MAX_REASONING_TOKENS)] = 256


class _SourceIn(_Strict):
    name: _Name
    description: Annotated[str, Field(max_length=400)] = ""
    style: Style | None = None
    few_shot: _FewShotIn | None = None
    reasoning: _ReasoningIn | None = None
    en: _TextsIn | None = None
    es: _TextsIn | None = None

    def texts(self) -> dict[Language, _TextsIn]:
        """The languages that there are."""
        both: dict[Language, _TextsIn | None] = {"en": self.en, "es": self.es}
        return {language: texts for language, texts in both.items() if texts is not None}


def read_template(source: str, *, version: int) -> PromptTemplate:
    """The template that a YAML file describes. Raises `BadPromptError`, which names every line."""
    tree = _Tree(source)
    try:
        given = _SourceIn.model_validate(tree.plain())
    except ValidationError as error:
        raise BadPromptError(*map(tree.tell, error.errors(include_url=False))) from error
    if faults := [*_whole_faults(given, tree), *_place_faults(given, tree)]:
        raise BadPromptError(*sorted(faults, key=lambda fault: fault.line))
    few_shot = (
        None if given.few_shot is None else FewShot(given.few_shot.choose, given.few_shot.max)
    )
    # reasoning before a quote that is given anyhow would decide nothing
    style: Style | None = "draft" if given.reasoning else given.style
    return PromptTemplate(
        name=given.name,
        version=version,
        texts={language: _texts(texts) for language, texts in given.texts().items()},
        description=given.description,
        style=style,
        few_shot=few_shot,
        max_reasoning_tokens=given.reasoning.max_tokens if given.reasoning else 0,
    )


def _texts(given: _TextsIn) -> PromptTexts:
    return PromptTexts(
        system=given.system,
        passage=given.passage,
        user=given.user,
        assistant=given.assistant or "{answer}",
        answer_mark=given.answer_mark or "",
        examples=tuple(
            Example(str(number), **each.model_dump())
            for number, each in enumerate(given.examples, start=1)
        ),
    )


def _whole_faults(given: _SourceIn, tree: "_Tree") -> Iterator[SourceFault]:
    """Parts that are right alone and make no sense together."""
    if not given.texts():
        yield tree.fault((), "it has no texts: give 'en', 'es' or both")
    if given.reasoning and given.style == "quote":
        yield tree.fault(("style",), "a template with 'reasoning' drafts: leave it out")
    for language, texts in given.texts().items():
        if given.reasoning and not (texts.answer_mark or "").strip():
            told = "is missing: what the model writes between its reasoning and its answer"
            yield tree.fault((language, "answer_mark"), told)
        if texts.answer_mark and not given.reasoning:
            yield tree.fault((language, "answer_mark"), "is for templates with 'reasoning'")
        if texts.examples and not given.few_shot:
            yield tree.fault((language, "examples"), "are for templates with 'few_shot'")
        if given.few_shot and given.few_shot.choose == "fixed" and not texts.examples:
            told = "are missing: 'few_shot' with 'choose: fixed' shows these"
            yield tree.fault((language, "examples"), told)


def _place_faults(given: _SourceIn, tree: "_Tree") -> Iterator[SourceFault]:
    for language, texts in given.texts().items():
        assistant = ("answer", "reasoning") if given.reasoning else ("answer",)
        for part, (known, needed) in {**_PLACES, "assistant": (assistant, ("answer",))}.items():
            text = getattr(texts, part)
            if text is not None:
                for fault in check_places(text, known=known, needed=needed):
                    yield tree.place_fault((language, part), fault)


class _Tree:
    """A YAML file as nodes, each of which knows its line."""

    def __init__(self, source: str) -> None:
        self._source = source
        if len(source) > MAX_SOURCE_CHARS:
            raise _refused(1, f"it is longer than {MAX_SOURCE_CHARS} characters")
        try:
            _refuse_cleverness(yaml.parse(source, Loader=yaml.SafeLoader))
            self._root = yaml.compose(source, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            raise _refused(*_yaml_fault(error, source)) from error
        if not isinstance(self._root, yaml.MappingNode):
            raise _refused(1, "it is no mapping of keys to texts")

    def plain(self) -> Any:
        """Its text, whole numbers, lists and mappings. Raises `BadPromptError` for a double key."""
        return _plain(self._root)

    def tell(self, error: Mapping[str, Any]) -> SourceFault:
        """A fault that pydantic found."""
        messages = {"missing": "is missing", "extra_forbidden": "there is no such key"}
        return self.fault(error["loc"], messages.get(error["type"], error["msg"]))

    def fault(self, path: Iterable[str | int], message: str) -> SourceFault:
        """A fault of the part at `path`, in the line where that begins or would."""
        node, _ = self._find(tuple(path))
        return SourceFault(node.start_mark.line + 1, ".".join(map(str, path)), message)

    def place_fault(self, path: tuple[str, str], fault: PlaceFault) -> SourceFault:
        """A fault inside the text of a part, in its own line."""
        key, value = self._find(path)
        raw = self._source[value.start_mark.index : value.end_mark.index]
        offset = find_place(raw, fault.snippet) if fault.snippet else None
        line = key.start_mark.line + 1
        if offset is not None:
            line = value.start_mark.line + raw.count("\n", 0, offset) + 1
        return SourceFault(line, ".".join(path), fault.message)

    def _find(self, path: tuple[str | int, ...]) -> tuple[yaml.Node, yaml.Node]:
        """The key and the value at `path`; of the last part of it that is there."""
        key = value = self._root
        for step in path:
            found = _step(value, step)
            if found is None:
                break
            key, value = found
        return key, value


def _step(node: yaml.Node, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step], node.value[step]
    return None


def _plain(node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_plain(each) for each in node.value]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise _refused(line, "a key must be a word")
            if key.value in found:
                raise _refused(line, f"the key {key.value[:80]!r} is there twice")
            found[key.value] = _plain(value)
        return found
    is_int = node.tag == _INT_TAG and node.value.isdecimal() and len(node.value) <= _MAX_INT_DIGITS
    # whatever else YAML might see in it (dates, fractions, yes and no) is text here
    return int(node.value) if is_int else node.value


def _refuse_cleverness(events: Iterable[yaml.Event]) -> None:
    """Raise for what makes YAML more than text: before anything is built of it."""
    depth = 0
    for event in events:
        line = event.start_mark.line + 1
        if getattr(event, "anchor", None) is not None:
            raise _refused(line, "anchors and aliases are not followed: write the text out")
        if getattr(event, "tag", None) is not None:
            raise _refused(line, "tags are not followed: leave it out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise _refused(line, f"it is nested more than {_MAX_DEPTH} levels deep")


def _yaml_fault(error: yaml.YAMLError, source: str) -> tuple[int, str]:
    if isinstance(error, yaml.reader.ReaderError):
        line = source.count("\n", 0, error.position) + 1
        return line, f"it holds a character that no text has ({error.reason})"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or "it is not YAML"
    return (mark.line + 1 if mark else 1), f"it is not YAML: {problem}"


def _refused(line: int, message: str) -> BadPromptError:
    return BadPromptError(SourceFault(line, "", message))
