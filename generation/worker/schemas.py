"""What may be asked over HTTP. Unknown options are refused by name, harmless ones passed over."""

from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal, TypeVar

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from generation.completion import MAX_CONTINUATIONS, TokenIds
from generation.engine.engine import MAX_SAMPLES
from generation.engine.params import MAX_LOGPROBS
from generation.worker.errors import ApiError

Body = TypeVar("Body", bound="RequestBody")

_LARGEST_SEED: Final = 2**63 - 1

# Options that clients send and that change nothing about the text here.
IGNORED: Final = frozenset(
    {
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
    }
)


def _is_nothing(value: object) -> bool:
    return value in (None, False, "", [], {})


def _is(*neutral: object) -> Callable[[object], bool]:
    return lambda value: _is_nothing(value) or value in neutral


def _is_on(value: object) -> bool:
    return value in (None, True)


# Options of other servers that would change the text: refused unless they ask for nothing.
UNSUPPORTED: Final[Mapping[str, Callable[[object], bool]]] = {
    "audio": _is_nothing,
    "best_of": _is(1),
    "continue_final_message": _is_nothing,
    "add_generation_prompt": _is_on,
    "chat_template": _is_nothing,
    "chat_template_kwargs": _is_nothing,
    "echo": _is_nothing,
    "function_call": _is("none"),
    "functions": _is_nothing,
    "guided_choice": _is_nothing,
    "guided_grammar": _is_nothing,
    "guided_json": _is_nothing,
    "guided_regex": _is_nothing,
    "include_stop_str_in_output": _is_nothing,
    "length_penalty": _is(1, 1.0),
    "logit_processors": _is_nothing,
    "min_tokens": _is(0),
    "modalities": _is(["text"]),
    "prediction": _is_nothing,
    "prompt_logprobs": _is_nothing,
    "reasoning_effort": _is("none"),
    "skip_special_tokens": _is_on,
    "spaces_between_special_tokens": _is_on,
    "structured_outputs": _is_nothing,
    "suffix": _is_nothing,
    "tool_choice": _is("none", "auto"),
    "tools": _is_nothing,
    "use_beam_search": _is_nothing,
    "verbosity": _is_nothing,
    "web_search_options": _is_nothing,
}
_INSTEAD: Final[Mapping[str, str]] = dict.fromkeys(
    ("guided_choice", "guided_grammar", "guided_json", "guided_regex", "structured_outputs"),
    "; use 'response_format'",
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RequestBody(_Strict):
    """What every body has. `model` may be left out: a worker serves one."""

    model: str | None = None


class ComputingBody(RequestBody):
    """What every body has that makes the model compute. `adapter`: the SHA-256 of one's file."""

    adapter: str = Field(default="", pattern="^([0-9a-f]{64})?$")


class TextPart(_Strict):
    """A part of a message's content."""

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """A turn. What other servers add to their own answers is passed over when it comes back."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart] | None = None
    tool_calls: Annotated[list[object] | None, Field(max_length=0)] = None

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, str) or self.content is None:
            return self.content or ""
        return "".join(part.text for part in self.content)


class JsonSchemaIn(BaseModel):
    """A schema as OpenAI wraps it."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    definition: dict[str, object] = Field(alias="schema")


class TextFormat(_Strict):
    """Any text."""

    type: Literal["text"]


class JsonObjectFormat(_Strict):
    """Any JSON object."""

    type: Literal["json_object"]


class JsonSchemaFormat(_Strict):
    """JSON that a schema describes."""

    type: Literal["json_schema"]
    json_schema: JsonSchemaIn


class RegexFormat(_Strict):
    """Text that a regular expression matches as a whole."""

    type: Literal["regex"]
    pattern: str = Field(max_length=10_000)


class ChoiceFormat(_Strict):
    """One of these texts."""

    type: Literal["choice"]
    choices: list[str] = Field(min_length=1, max_length=1024)


class SpanFormat(_Strict):
    """Whole words of one of these texts, to the letter."""

    type: Literal["span"]
    texts: list[str] = Field(min_length=1, max_length=1024)


ResponseFormat = Annotated[
    TextFormat | JsonObjectFormat | JsonSchemaFormat | RegexFormat | ChoiceFormat | SpanFormat,
    Field(discriminator="type"),
]


class StreamOptions(BaseModel):
    """Whether the last chunk before [DONE] says what the request cost."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    include_usage: bool = False


class DeadlinesIn(_Strict):
    """Seconds that this request may take; the worker's own limits still hold."""

    queue_s: float | None = Field(default=None, gt=0)
    first_token_s: float | None = Field(default=None, gt=0)
    total_s: float | None = Field(default=None, gt=0)


class CompletionOptions(ComputingBody):
    """What chat and plain completions have in common. An explicit null means the default."""

    temperature: float = Field(default=1.0, ge=0, le=100)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=-1)
    min_p: float = Field(default=0.0, ge=0, le=1)
    repetition_penalty: float = Field(default=1.0, gt=0, le=100)
    presence_penalty: float = Field(default=0.0, ge=-2, le=2)
    frequency_penalty: float = Field(default=0.0, ge=-2, le=2)
    logit_bias: dict[int, float] = Field(default_factory=dict)
    seed: int | None = Field(default=None, ge=-_LARGEST_SEED - 1, le=_LARGEST_SEED)
    max_tokens: int | None = Field(default=None, ge=1)
    stop: str | list[str] = Field(default_factory=list)
    stop_token_ids: list[int] = Field(default_factory=list, max_length=1024)
    ignore_eos: bool = False
    n: int = Field(default=1, ge=1, le=MAX_SAMPLES)
    response_format: ResponseFormat | None = None
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    user: str | None = Field(default=None, max_length=1024)
    priority: Literal["chat", "batch"] = "chat"
    deadlines: DeadlinesIn = DeadlinesIn()

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """The strings that end the text."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)


class ChatBody(CompletionOptions):
    """POST /v1/chat/completions."""

    messages: list[ChatMessage] = Field(min_length=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    logprobs: bool = False
    top_logprobs: int | None = Field(default=None, ge=0, le=MAX_LOGPROBS)

    @field_validator("messages")
    @classmethod
    def _someone_asks(cls, messages: list[ChatMessage]) -> list[ChatMessage]:
        if all(message.role in ("system", "developer") for message in messages):
            raise ValueError("at least one message must be the user's")
        return messages


class TextBody(CompletionOptions):
    """POST /v1/completions: texts, or the tokens of one or more."""

    prompt: str | list[int] | list[str] | list[list[int]]
    logprobs: int | None = Field(default=None, ge=0, le=MAX_LOGPROBS)

    @property
    def prompts(self) -> list[str | TokenIds]:
        """Every prompt, as text or tokens."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        tokens = tuple(item for item in self.prompt if isinstance(item, int))
        if tokens:
            return [TokenIds(tokens)]
        return [
            TokenIds(tuple(prompt)) if isinstance(prompt, list) else prompt
            for prompt in self.prompt
            if not isinstance(prompt, int)
        ]


class TokenizeBody(RequestBody):
    """POST /tokenize: a text or a conversation."""

    prompt: str | None = None
    messages: list[ChatMessage] | None = None


class DetokenizeBody(RequestBody):
    """POST /detokenize."""

    tokens: list[int]


class ScoreBody(TokenizeBody, ComputingBody):
    """POST /v1/score: how likely is each text after the prompt?"""

    continuations: list[str] = Field(min_length=1, max_length=MAX_CONTINUATIONS)


def parse(data: bytes, kind: type[Body]) -> Body:
    """Read a body. Raises ApiError that names the field at fault, and never repeats its value."""
    try:
        fields = pydantic_core.from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise ApiError(400, "invalid_json", f"the body is not valid JSON: {error}") from error
    if not isinstance(fields, dict):
        raise ApiError(400, "invalid_json", "the body must be a JSON object")
    try:
        return kind.model_validate(_without_neutral(fields, kind))
    except ValidationError as error:
        raise _fault(error) from error


def _without_neutral(fields: Mapping[str, object], kind: type[RequestBody]) -> dict[str, object]:
    wanted = {}
    for name, value in fields.items():
        if name in kind.model_fields:
            # null is how clients spell "not given"
            if value is not None:
                wanted[name] = value
        elif name in UNSUPPORTED:
            if not UNSUPPORTED[name](value):
                remedy = _INSTEAD.get(name, "; leave it out")
                raise ApiError(
                    400,
                    "unsupported_parameter",
                    f"this server does not support {name!r}{remedy}",
                    param=name,
                )
        elif name not in IGNORED:
            wanted[name] = value  # refused as unknown, by name
    return wanted


def _fault(error: ValidationError) -> ApiError:
    first = error.errors(include_input=False, include_url=False)[0]
    param = ".".join(str(part) for part in first["loc"]) or None
    if first["type"] == "extra_forbidden":
        return ApiError(
            400, "unknown_parameter", f"there is no parameter {param!r} here", param=param
        )
    message = str(first["msg"]).removeprefix("Value error, ")
    return ApiError(400, "invalid_value", f"{param}: {message}", param=param)
