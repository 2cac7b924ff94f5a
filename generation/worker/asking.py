"""From the body of a request to what is asked of the engine. Computes nothing."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Final

from generation.completion import CompletionRequest, Prompt
from generation.engine.engine import MAX_SAMPLES
from generation.engine.params import SamplingParams
from generation.engine.sequence import Deadlines, Priority
from generation.output_format import (
    AnyText,
    Choice,
    JsonObject,
    JsonSchema,
    OutputFormat,
    Regex,
    Span,
)
from generation.types import Message, Role
from generation.worker.errors import ApiError
from generation.worker.schemas import (
    ChatBody,
    ChatMessage,
    ChoiceFormat,
    CompletionOptions,
    JsonObjectFormat,
    JsonSchemaFormat,
    RegexFormat,
    SpanFormat,
    TextBody,
    TokenizeBody,
)

TENANT_HEADER: Final = "X-Cimiento-Tenant"
# what OpenAI's server takes where a plain completion does not say
_DEFAULT_TEXT_TOKENS: Final = 16
_PRIORITIES: Final[Mapping[str, Priority]] = {"chat": Priority.CHAT, "batch": Priority.BATCH}


def tenant_of(header: str | None, user: str | None) -> str:
    """Whose prefix cache a request may share: the header's, else the user's, else everyone's."""
    if header:
        return _hash(f"tenant:{header}")
    return _hash(f"user:{user}") if user else ""


def ask_chat(body: ChatBody, *, tenant: str, deadlines: Deadlines) -> CompletionRequest:
    """What a chat completion asks for."""
    num_logprobs = (body.top_logprobs or 0) if body.logprobs else None
    return _ask(
        body,
        prompt=messages_of(body.messages),
        params=_params(body, num_logprobs),
        max_tokens=body.max_completion_tokens or body.max_tokens,
        tenant=tenant,
        deadlines=deadlines,
    )


def ask_text(body: TextBody, *, tenant: str, deadlines: Deadlines) -> list[CompletionRequest]:
    """What a plain completion asks for, one request a prompt."""
    prompts = body.prompts
    if not prompts or len(prompts) * body.n > MAX_SAMPLES:
        raise ApiError(
            400,
            "invalid_value",
            f"{len(prompts)} prompts with n={body.n} were sent; "
            f"together they may have 1 to {MAX_SAMPLES} samples",
            param="prompt",
        )
    return [
        _ask(
            body,
            prompt=prompt,
            params=_params(body, body.logprobs),
            max_tokens=body.max_tokens or _DEFAULT_TEXT_TOKENS,
            tenant=tenant,
            deadlines=deadlines,
        )
        for prompt in prompts
    ]


def prompt_of(body: TokenizeBody) -> Prompt:
    """The one prompt of a body that may give it as a text or as a conversation."""
    if (body.prompt is None) == (body.messages is None):
        raise ApiError(400, "invalid_value", "give either 'prompt' or 'messages'", param="prompt")
    return body.prompt if body.prompt is not None else messages_of(body.messages or [])


def messages_of(messages: list[ChatMessage]) -> tuple[Message, ...]:
    """A conversation; a developer speaks as the system does."""
    roles: dict[str, Role] = {
        "system": "system",
        "developer": "system",
        "user": "user",
        "assistant": "assistant",
    }
    return tuple(Message(roles[message.role], message.text) for message in messages)


def _ask(
    body: CompletionOptions,
    *,
    prompt: Prompt,
    params: SamplingParams,
    max_tokens: int | None,
    tenant: str,
    deadlines: Deadlines,
) -> CompletionRequest:
    return CompletionRequest(
        prompt=prompt,
        params=params,
        max_tokens=max_tokens,
        stop=body.stop_strings,
        past_end_of_turn=body.ignore_eos,
        output=_output(body),
        num_samples=body.n,
        priority=_PRIORITIES[body.priority],
        tenant=tenant,
        adapter=body.adapter,
        deadlines=deadlines,
    )


def _params(body: CompletionOptions, num_logprobs: int | None) -> SamplingParams:
    # SamplingParams takes seeds from 0; OpenAI's are signed
    seed = secrets.randbits(63) if body.seed is None else body.seed % 2**63
    return SamplingParams(
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k if body.top_k > 0 else None,
        min_p=body.min_p,
        repetition_penalty=body.repetition_penalty,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        logit_bias=body.logit_bias,
        seed=seed,
        stop_ids=frozenset(body.stop_token_ids),
        num_logprobs=num_logprobs,
    )


def _output(body: CompletionOptions) -> OutputFormat:
    match body.response_format:
        case JsonSchemaFormat(json_schema=schema):
            return JsonSchema(schema.definition)
        case JsonObjectFormat():
            return JsonObject()
        case RegexFormat(pattern=pattern):
            return Regex(pattern)
        case ChoiceFormat(choices=choices):
            return Choice(tuple(choices))
        case SpanFormat(texts=texts):
            return Span(tuple(texts))
        case _:
            return AnyText()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
