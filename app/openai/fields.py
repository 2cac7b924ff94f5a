"""Requests in OpenAI's shapes. What changes nothing is passed over, the rest refused by name."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.answer_schemas import MAX_ANSWER_TOKENS, HowAnswered, Id
from app.api.fields import MAX_NUMBER, Request
from app.errors import FieldFault, InvalidRequestError

_MAX_MESSAGES: Final = 500
_MAX_CHARS: Final = 100_000
_MAX_TEXTS: Final = 256

# Options that clients send whether they mean something or not, and that change no text here.
IGNORED: Final = frozenset(
    {
        "include",
        "instructions",
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "reasoning_effort",
        "safety_identifier",
        "service_tier",
        "store",
        "truncation",
        "user",
        "verbosity",
    }
)


def _is(*neutral: object) -> Callable[[object], bool]:
    return lambda value: value in (None, False, "", [], {}) or value in neutral


def _asks_for_text(value: object) -> bool:
    return not isinstance(value, dict) or value.get("format") in (None, {"type": "text"})


# Options that would change the text, and are not done here: refused unless they ask for nothing.
UNSUPPORTED: Final[Mapping[str, Callable[[object], bool]]] = {
    "audio": _is(),
    "background": _is(),
    "conversation": _is(),
    "frequency_penalty": _is(),
    "function_call": _is("none", "auto"),
    "functions": _is(),
    "logit_bias": _is(),
    "logprobs": _is(),
    "max_tool_calls": _is(),
    "modalities": _is(["text"]),
    "n": _is(1),
    "prediction": _is(),
    "presence_penalty": _is(),
    "prompt": _is(),
    "response_format": _is({"type": "text"}),
    "stop": _is(),
    "text": _asks_for_text,
    "tool_choice": _is("none", "auto"),
    "tools": _is(),
    "top_logprobs": _is(),
    "web_search_options": _is(),
}


class OpenAIRequest(Request):
    """A request of a client that speaks OpenAI's protocol."""

    @model_validator(mode="before")
    @classmethod
    def _pass_over(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        others = {name: fields[name] for name in fields.keys() - cls.model_fields.keys()}
        faults = [
            FieldFault(name, "is not supported here; leave it out")
            for name, value in sorted(others.items())
            if name in UNSUPPORTED and not UNSUPPORTED[name](value)
        ]
        if faults:
            raise InvalidRequestError.of(*faults)
        neutral = others.keys() & (IGNORED | UNSUPPORTED.keys())
        return {name: value for name, value in fields.items() if name not in neutral}


class ContentPart(BaseModel):
    """A part of a message; only text is read."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: str
    text: str | None = None


class ChatMessage(BaseModel):
    """One message. Those of the system and of tools are passed over: prompts are the service's."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[str, Field(max_length=_MAX_CHARS)] | list[ContentPart] | None = None

    def text(self, place: str) -> str:
        """Its text; `place` names it. Raises `InvalidRequestError` for pictures and sound."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        # a refusal repeats the text before it
        parts = [part for part in self.content if part.type != "refusal"]
        for part in parts:
            if part.type not in ("text", "input_text", "output_text"):
                raise InvalidRequestError.of(
                    FieldFault(place, "holds a part that is no text; only text is read")
                )
        return "\n".join(part.text or "" for part in parts)


Messages = Annotated[
    list[ChatMessage],
    Field(
        min_length=1,
        max_length=_MAX_MESSAGES,
        examples=[[{"role": "user", "content": "How many days of leave are there?"}]],
    ),
]
ModelName = Annotated[str, Field(max_length=4096, examples=["cimiento/default"])]
MaxTokens = Annotated[int, Field(ge=1, le=MAX_NUMBER)]


class Asked(OpenAIRequest):
    """What chats and responses have in common. An explicit null means the default."""

    model: ModelName
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    stream: bool | None = False
    cimiento: HowAnswered = Field(
        default=HowAnswered(),
        description="What OpenAI has no word for, as `POST /v1/answer` has it.",
    )

    def sampling(self, max_tokens: int | None) -> dict[str, object]:
        """As `POST /v1/answer` takes it; more tokens than an answer has are as many as it has."""
        given = self.model_dump(include={"temperature", "top_p", "seed"}, exclude_none=True)
        return given | ({"max_tokens": min(max_tokens, MAX_ANSWER_TOKENS)} if max_tokens else {})


class StreamOptions(BaseModel):
    """What a stream ends with."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    include_usage: bool = False


class ChatRequest(Asked):
    """A chat, whose last message is the question."""

    messages: Messages
    max_tokens: MaxTokens | None = None
    max_completion_tokens: MaxTokens | None = None
    stream_options: StreamOptions | None = None


class ResponseRequest(Asked):
    """A question, or messages of which the last is one."""

    input: Annotated[str, Field(max_length=_MAX_CHARS)] | Messages = Field(
        examples=["How many days of leave are there?"]
    )
    max_output_tokens: MaxTokens | None = None
    previous_response_id: Id | None = Field(default=None, description="The response it goes on.")


_Text = Annotated[str, Field(min_length=1, max_length=_MAX_CHARS)]


class EmbeddingsRequest(OpenAIRequest):
    """Texts to be embedded."""

    model: ModelName
    input: _Text | Annotated[list[_Text], Field(min_length=1, max_length=_MAX_TEXTS)] = Field(
        examples=[["How many days of leave are there?"]]
    )
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(
        default=None, ge=1, le=MAX_NUMBER, description="Those of the model; it has no other."
    )
    input_type: Literal["query", "passage"] = Field(
        default="passage", description="Questions are embedded otherwise than what answers them."
    )

    @property
    def texts(self) -> list[str]:
        """One or more."""
        return [self.input] if isinstance(self.input, str) else self.input
