"""Routes of documents' labels: what classifiers and people say a document is."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field, StringConstraints

from app.access import CallerAccess
from app.api.common import TheServices, problems
from app.api.fields import CLEAN, FILLED, Reply, Request
from app.api.label_schemas import LabelOut
from core.ids import DocumentId
from ingestion.labels import MAX_LABEL_CHARS, NAME_PATTERN

router = APIRouter(tags=["documents"])

LabelName = Annotated[str, Path(alias="name", pattern=NAME_PATTERN, examples=["topic"])]


class LabelList(Reply):
    """The labels of a document, by name."""

    items: list[LabelOut]


class LabelNew(Request):
    """What a person says that a document is."""

    label: Annotated[
        str,
        StringConstraints(min_length=1, max_length=MAX_LABEL_CHARS),
        CLEAN,
        FILLED,
    ] = Field(examples=["invoices"])


@router.get(
    "/v1/documents/{document_id}/labels", summary="Labels of a document", responses=problems(404)
)
def list_labels(document_id: str, services: TheServices, access: CallerAccess) -> LabelList:
    """What the document is labelled as, by classifiers and by people."""
    labels = services.labels.list(DocumentId(document_id), access)
    return LabelList(items=[LabelOut.of(label) for label in labels])


@router.put(
    "/v1/documents/{document_id}/labels/{name}",
    summary="Label a document",
    responses=problems(404),
)
def put_label(
    document_id: str,
    name: LabelName,
    body: LabelNew,
    services: TheServices,
    access: CallerAccess,
) -> LabelList:
    """Say what the document is. No classifier replaces it, also when the document comes again."""
    services.labels.set(DocumentId(document_id), access, name=name, label=body.label)
    return list_labels(document_id, services, access)


@router.delete(
    "/v1/documents/{document_id}/labels/{name}",
    summary="Remove a label of a document",
    responses=problems(404),
)
def delete_label(
    document_id: str, name: LabelName, services: TheServices, access: CallerAccess
) -> LabelList:
    """Forget a label, whoever gave it. A classifier may give one when the document comes again."""
    services.labels.remove(DocumentId(document_id), access, name=name)
    return list_labels(document_id, services, access)
