"""A request of OpenAI's protocol as a question: which collections, what is asked, what was said.

Raises `ModelNotFoundError` and `InvalidRequestError`, besides what a question raises.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic import ValidationError

from app.api.answer import question_of
from app.api.answer_schemas import AnswerRequest
from app.api.schemas import MAX_COLLECTIONS
from app.asking import Question
from app.conversations import ShownTurn
from app.errors import FieldFault, InvalidRequestError, ModelNotFoundError
from app.following_up import PastTurn, past_turns
from app.openai.fields import Asked, ChatMessage, ChatRequest, ResponseRequest
from app.openai.linking import unlink
from app.services import Services
from core.access import Access, Caller
from core.errors import CollectionNotFoundError, DocumentNotFoundError
from core.ids import AnswerId, DocumentId
from core.redaction import Source
from generation.follow_ups import Turn
from ingestion.collections import can_name_collection

ALL: Final = "cimiento"
PREFIX: Final = f"{ALL}/"
RESPONSE_PREFIX: Final = "resp_"


@dataclass(frozen=True, slots=True)
class _Said:
    """The question, which `place` names in the request, and the turns before it."""

    question: str
    place: str
    turns: tuple[tuple[str, str], ...] = ()


def question_of_chat(services: Services, body: ChatRequest, caller: Caller) -> Question:
    """What the last message of a chat asks."""
    max_tokens = body.max_completion_tokens or body.max_tokens
    return _question(services, body, _said(body.messages, "messages"), max_tokens, caller)


def question_of_response(services: Services, body: ResponseRequest, caller: Caller) -> Question:
    """What is asked of a response, after the one that it goes on. Raises `AnswerNotFoundError`."""
    asked = body.input
    said = _Said(asked, "input") if isinstance(asked, str) else _said(asked, "input")
    question = _question(services, body, said, body.max_output_tokens, caller)
    if body.previous_response_id is None:
        return question
    answer_id = AnswerId(body.previous_response_id.removeprefix(RESPONSE_PREFIX))
    # what came before that one is in its question, rewritten to stand alone
    before = ShownTurn(services.answers.get(answer_id, caller), (), is_hidden=False)
    return replace(question, past=(*past_turns([before]), *question.past))


def collections_of(model: str) -> list[str] | None:
    """The collections that a model's name stands for; None for all that the caller sees."""
    if model == ALL:
        return None
    names = list(dict.fromkeys(model.removeprefix(PREFIX).split(",")))
    is_one = model.startswith(PREFIX) and all(map(can_name_collection, names))
    if not is_one or len(names) > MAX_COLLECTIONS:
        raise model_not_found(model)
    return names


def model_not_found(model: str) -> ModelNotFoundError:
    """The same words whether it is not there or the caller may not see it."""
    return ModelNotFoundError(
        f"there is no model {model!r}: {ALL!r} asks all collections, '{PREFIX}NAME' one, "
        f"'{PREFIX}NAME,NAME' several"
    )


def _question(
    services: Services, body: Asked, said: _Said, max_tokens: int | None, caller: Caller
) -> Question:
    try:
        request = AnswerRequest.model_validate(
            {
                **body.cimiento.model_dump(exclude_none=True),
                "question": said.question,
                "collections": collections_of(body.model),
                "sampling": body.sampling(max_tokens),
            }
        )
    except ValidationError as error:
        # everything but the question was looked at before
        message = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise InvalidRequestError.of(FieldFault(said.place, message)) from error
    try:
        question = question_of(services, request, caller)
    except CollectionNotFoundError as error:
        raise model_not_found(body.model) from error
    return replace(question, past=tuple(_past(services, said.turns, caller.access)))


def _said(messages: Sequence[ChatMessage], place: str) -> _Said:
    last = len(messages) - 1
    if messages[last].role != "user":
        fault = FieldFault(f"{place}.{last}.role", "the last message must be the user's")
        raise InvalidRequestError.of(fault)
    turns: list[tuple[str, str]] = []
    asked: str | None = None
    for index, message in enumerate(messages[:last]):
        text = message.text(f"{place}.{index}.content")
        if message.role == "user":
            if asked is not None:
                turns.append((asked, ""))
            asked = text
        elif message.role == "assistant" and asked is not None:
            turns.append((asked, text))
            asked = None
    if asked is not None:
        turns.append((asked, ""))
    content = f"{place}.{last}.content"
    return _Said(messages[last].text(content), content, tuple(turns))


def _past(
    services: Services, turns: Sequence[tuple[str, str]], access: Access
) -> Iterator[PastTurn]:
    """What the client says was said. What was deleted since does not come back by its memory."""
    unlinked = [unlink(answered) for _, answered in turns]
    # most turns rest on the same few documents: each is looked for once
    named = frozenset[Source]().union(*(sources for _, sources in unlinked))
    there = {source for source in named if _is_there(services, source, access)}
    for index, ((asked, _), (text, sources)) in enumerate(zip(turns, unlinked, strict=True)):
        turn_id = AnswerId(f"message:{index}")
        if sources <= there:
            yield PastTurn(turn_id, Turn(asked, text), quoted=sources)
        else:
            yield PastTurn(turn_id, Turn(asked))


def _is_there(services: Services, source: Source, access: Access) -> bool:
    document_id, number = source
    try:
        versions = services.documents.versions(DocumentId(document_id), access)
    except DocumentNotFoundError:
        return False
    return any(version.number == number for version in versions)
