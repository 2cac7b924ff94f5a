"""Routes of adapters: which there are, and which one answers from a collection."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import Field

from app.access import TheCaller, note
from app.activations import Activation
from app.adapters import StoredAdapter
from app.api.answer_schemas import PromptName
from app.api.common import CollectionInPath, TheServices, problems
from app.api.fields import Reply, Request
from app.api.matching import IfMatch, matching
from generation.types import Style

router = APIRouter(tags=["adapters"])

AdapterName = Annotated[PromptName, Field(examples=["contracts", "contracts@2"])]


class AdapterOut(Reply):
    """One version of an adapter: what fine-tuning adds to the answering model."""

    name: str = Field(examples=["contracts"])
    version: int
    reference: str = Field(examples=["contracts@2"])
    sha256: str
    bytes: int
    base_sha256: str = Field(description="Of the weights that it was trained on.")
    prompt: str = Field(description="The template whose questions it learnt.")
    style: Style | None = Field(description="Goes before the setting; null follows it.")
    created_at: datetime

    @classmethod
    def of(cls, stored: StoredAdapter) -> Self:
        """From the room's own data."""
        return cls(
            name=stored.name,
            version=stored.version,
            reference=stored.reference,
            sha256=stored.sha256,
            bytes=stored.num_bytes,
            base_sha256=stored.base_sha256,
            prompt=stored.prompt,
            style=stored.style,
            created_at=stored.created_at,
        )


class AdapterList(Reply):
    """Every adapter that the caller may see, by name."""

    items: list[AdapterOut]


class AdapterChoice(Request):
    """Which adapter is to answer; null goes back to the weights of the service."""

    adapter: AdapterName | None


class AdapterActivationOut(Reply):
    """An adapter became that of the collection; null for the weights of the service."""

    adapter: str | None = Field(examples=["contracts@2"])
    rolled_back: bool
    by: str = Field(
        description="Who did it: a person or a key; empty for the command line, and once they are "
        "gone.",
        examples=["Ana Ruiz"],
    )
    created_at: datetime

    @classmethod
    def of(cls, activation: Activation) -> Self:
        """From the room's own data."""
        return cls(
            adapter=activation.reference,
            rolled_back=activation.is_rollback,
            by=activation.by,
            created_at=activation.created_at,
        )


class ActiveAdapterOut(Reply):
    """The adapter of a collection; null for the weights of the service."""

    adapter: str | None = Field(examples=["contracts@2"])
    history: list[AdapterActivationOut] = Field(description="The newest, which counts, first.")

    @classmethod
    def of(cls, history: Sequence[Activation]) -> Self:
        """From the room's own data."""
        return cls(
            adapter=history[0].reference if history else None,
            history=[AdapterActivationOut.of(each) for each in history],
        )


@router.get("/v1/adapters", summary="List adapters", responses=problems())
def list_adapters(services: TheServices, caller: TheCaller) -> AdapterList:
    """Every version of every adapter, by name.

    A key for some collections sees those that are or were active there.
    """
    found = services.adapters.list(caller.access)
    return AdapterList(items=[AdapterOut.of(each) for each in found])


@router.get(
    "/v1/collections/{name}/adapter", summary="Show a collection's adapter", responses=problems(404)
)
def get_active_adapter(
    name: CollectionInPath, services: TheServices, caller: TheCaller
) -> ActiveAdapterOut:
    """Which adapter answers from this collection, and which ones did."""
    collection = services.collections.get(name, caller.access)
    return ActiveAdapterOut.of(services.adapters.history(collection.id))


@router.put(
    "/v1/collections/{name}/adapter", summary="Activate an adapter", responses=problems(404, 412)
)
def activate_adapter(
    request: HttpRequest,
    name: CollectionInPath,
    body: AdapterChoice,
    services: TheServices,
    caller: TheCaller,
    if_match: IfMatch = None,
) -> AdapterActivationOut:
    """Let an adapter answer from this collection from now on, in the version that it has now."""
    collection = services.collections.get(name, caller.access)
    check = matching(if_match, ActiveAdapterOut.of)
    done = services.adapters.activate(collection.id, body.adapter, caller, check=check)
    note(request, target=done.reference)
    return AdapterActivationOut.of(done)


@router.post(
    "/v1/collections/{name}/adapter/rollback",
    summary="Roll an adapter back",
    responses=problems(404, 409),
)
def roll_back_adapter(
    request: HttpRequest, name: CollectionInPath, services: TheServices, caller: TheCaller
) -> AdapterActivationOut:
    """Go back to the adapter that was active before; again, to the one before that."""
    collection = services.collections.get(name, caller.access)
    done = services.adapters.roll_back(collection.id, caller)
    note(request, target=done.reference)
    return AdapterActivationOut.of(done)
