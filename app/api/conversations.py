"""Routes of conversations: begin, list, show, rename, delete. Questions go to `/v1/answer`."""

from datetime import datetime
from functools import partial
from typing import Annotated, Self

from fastapi import APIRouter, Query, Response
from pydantic import Field

from app.access import TheCaller
from app.api.answer_schemas import CitationOut, Id, SentenceOut, StoredAnswerOut
from app.api.common import Cursor, TheServices, find_page, problems
from app.api.fields import Reply, Request, Title
from app.api.receipt_schemas import VersionNamed
from app.conversations import Conversation, ShownTurn
from app.outcomes import Status
from core.ids import AnswerId, ConversationId

router = APIRouter(tags=["conversations"])


class ConversationNew(Request):
    """A conversation to be begun."""

    title: Title | None = Field(default=None, examples=["Leave in Spain"])


class ConversationChange(Request):
    """What to change of a conversation."""

    title: Title


class ConversationOut(Reply):
    """A conversation without its answers."""

    id: str
    title: str | None = Field(description="Null until the first question gives it one.")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, conversation: Conversation) -> Self:
        """From the room's own data."""
        return cls(
            id=conversation.id,
            title=conversation.title,
            created_at=conversation.created_at,
            updated_at=conversation.updated_at,
        )


class ConversationPage(Reply):
    """A page of conversations."""

    items: list[ConversationOut]
    next_cursor: str | None = None


class TurnOut(Reply):
    """A question and its answer; `GET /v1/answers/{answer_id}` has the rest of it."""

    id: str
    alternatives: list[str] = Field(
        description="Answers that go on from where this one does, itself included."
    )
    question: str
    standalone: str | None
    status: Status
    answer: str
    sentences: list[SentenceOut]
    citations: list[CitationOut]
    withdrawn: list[VersionNamed]
    hidden: bool = Field(description="It quotes what the caller may no longer see.")
    created_at: datetime

    @classmethod
    def of(cls, turn: ShownTurn) -> Self:
        """From the room's own data."""
        stored = StoredAnswerOut.of_stored(turn.answer)
        return cls(
            id=stored.id,
            alternatives=list(turn.alternatives),
            question=stored.question,
            standalone=None if turn.is_hidden else stored.standalone,
            status=stored.status,
            answer="" if turn.is_hidden else stored.answer,
            sentences=[] if turn.is_hidden else stored.sentences,
            citations=[] if turn.is_hidden else stored.citations,
            withdrawn=stored.withdrawn,
            hidden=turn.is_hidden,
            created_at=stored.created_at,
        )


class ConversationWhole(ConversationOut):
    """A conversation with one branch of its answers, the oldest first."""

    turns: list[TurnOut]


@router.post(
    "/v1/conversations", summary="Begin a conversation", status_code=201, responses=problems()
)
def create_conversation(
    services: TheServices, caller: TheCaller, body: ConversationNew | None = None
) -> ConversationOut:
    """An empty conversation; ask in it with `conversation_id`. Its first question is its title."""
    title = body.title if body else None
    return ConversationOut.of(services.conversations.create(caller, title=title))


@router.get("/v1/conversations", summary="List conversations", responses=problems())
def list_conversations(
    services: TheServices, caller: TheCaller, cursor: Cursor = None
) -> ConversationPage:
    """Those of the key or person that asks, the newest first."""
    page, next_cursor = find_page(partial(services.conversations.list, caller, cursor=cursor))
    return ConversationPage(
        items=[ConversationOut.of(each) for each in page], next_cursor=next_cursor
    )


@router.get(
    "/v1/conversations/{conversation_id}", summary="Show a conversation", responses=problems(404)
)
def get_conversation(
    conversation_id: str,
    services: TheServices,
    caller: TheCaller,
    answer: Annotated[Id | None, Query(description="The answer that the branch ends with.")] = None,
) -> ConversationWhole:
    """The branch that ends with the newest answer, or with the one that is named."""
    last = None if answer is None else AnswerId(answer)
    found = services.conversations.get(ConversationId(conversation_id), caller)
    turns = services.conversations.turns(found.id, caller, last=last)
    return ConversationWhole(
        **ConversationOut.of(found).model_dump(), turns=[TurnOut.of(each) for each in turns]
    )


@router.patch(
    "/v1/conversations/{conversation_id}", summary="Rename a conversation", responses=problems(404)
)
def rename_conversation(
    conversation_id: str, body: ConversationChange, services: TheServices, caller: TheCaller
) -> ConversationOut:
    """Give it another title."""
    renamed = services.conversations.rename(
        ConversationId(conversation_id), caller, title=body.title
    )
    return ConversationOut.of(renamed)


@router.delete(
    "/v1/conversations/{conversation_id}",
    summary="Delete a conversation",
    status_code=204,
    responses=problems(404),
)
def delete_conversation(conversation_id: str, services: TheServices, caller: TheCaller) -> Response:
    """Forget it, with every question and answer of it."""
    services.conversations.delete(ConversationId(conversation_id), caller)
    return Response(status_code=204)
