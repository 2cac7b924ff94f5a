"""Routes of documents: upload, list, read, delete."""

from dataclasses import replace
from functools import partial
from typing import Annotated, Final, Literal

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from app.access import CallerAccess, TheCaller, note
from app.api.common import CollectionInPath, TheServices, find_page, problems
from app.api.fields import MAX_NUMBER, CollectionName
from app.api.schemas import (
    DocumentOut,
    DocumentPage,
    PurgedOut,
    TextOut,
    UploadOut,
    VersionOut,
    VersionPage,
)
from app.byte_ranges import attachment, send_bytes
from app.conditional import is_known, tag_of
from app.services import Services
from app.uploads import ReceivedUpload, receive_upload
from core.blobs import PendingBlob
from core.ids import DocumentId
from ingestion.attempts import Attempt
from ingestion.collections import Collection
from ingestion.documents import DocumentFilter
from ingestion.labels import MAX_LABEL_CHARS, NAME_PATTERN
from ingestion.uploads import (
    MAX_PASSWORD_CHARS,
    Accepted,
    OnConflict,
    Upload,
    read_metadata,
)

router = APIRouter(tags=["documents"])

State = Literal["queued", "running", "searchable", "failed", "cancelled"]
VersionNumber = Annotated[
    int | None, Query(ge=1, le=MAX_NUMBER, description="By default the version shown.")
]
_LABEL_PATTERN: Final = f"{NAME_PATTERN.removesuffix('$')}:.{{1,{MAX_LABEL_CHARS}}}$"
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "metadata": {
                            "type": "string",
                            "description": "A JSON object that is kept with the document.",
                            "examples": ['{"department": "people"}'],
                        },
                        "password": {
                            "type": "string",
                            "format": "password",
                            "maxLength": MAX_PASSWORD_CHARS,
                            "description": "Opens an encrypted file; forgotten once it is parsed.",
                        },
                    },
                }
            }
        },
    }
}


@router.post(
    "/v1/collections/{name}/documents",
    status_code=202,
    summary="Upload a document",
    responses=problems(404, 413, 415, 507),
    openapi_extra=_UPLOAD_BODY,
)
async def upload_document(
    request: Request,
    name: CollectionInPath,
    services: TheServices,
    caller: TheCaller,
    on_conflict: OnConflict = OnConflict.REPLACE,
) -> UploadOut:
    """Store a document and queue the work that makes it searchable.

    The same bytes under the same name change nothing. Follow the work at `/v1/jobs/{job_id}`.
    """
    find = services.collections.get
    collection = await anyio.to_thread.run_sync(find, name, caller.access)
    with services.blobs.begin() as blob:
        received = await receive_upload(
            request, blob, max_bytes=services.settings.server.max_upload_bytes
        )
        # shielded from cancellation: a client that leaves now does not undo half a transaction
        accepted = await anyio.to_thread.run_sync(
            _accept,
            services,
            replace(_upload(received, collection, on_conflict), uploader=caller.name),
            blob,
        )
    note(request, target=accepted.document_id, version=accepted.number)
    return UploadOut.of(accepted)


def _upload(received: ReceivedUpload, collection: Collection, on_conflict: OnConflict) -> Upload:
    return Upload(
        collection_id=collection.id,
        name=received.name,
        media_type=received.media_type,
        metadata=read_metadata(received.metadata),
        on_conflict=on_conflict,
        password=received.password,
    )


def _accept(services: Services, upload: Upload, blob: PendingBlob) -> Accepted:
    accepted = services.documents.accept(upload, blob)
    if not (accepted.deduplicated or accepted.skipped):
        services.queue.enqueue(Attempt(accepted.job_id, accepted.attempt, turn=accepted.turn))
    return accepted


class DocumentQuery(BaseModel):
    """What to list; unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    collection: CollectionName | None = None
    state: State | None = Field(default=None, description="State of the newest version.")
    label: str | None = Field(
        default=None,
        pattern=_LABEL_PATTERN,
        description="A name and a label under it.",
        examples=["topic:invoices"],
    )
    q: str | None = Field(default=None, max_length=255, description="Part of the name.")
    cursor: str | None = Field(default=None, max_length=64, description="Of the last page.")


@router.get("/v1/documents", summary="List documents", responses=problems(404))
def list_documents(
    where: Annotated[DocumentQuery, Query()], services: TheServices, access: CallerAccess
) -> DocumentPage:
    """Documents that the caller may see, the newest first."""
    if where.collection is not None:
        services.collections.get(where.collection, access)
    found = partial(
        services.documents.list,
        access,
        where=DocumentFilter(
            collection=where.collection,
            state=where.state,
            name_contains=where.q,
            label=None if where.label is None else _split_label(where.label),
        ),
        cursor=where.cursor,
    )
    page, cursor = find_page(found)
    return DocumentPage(items=[DocumentOut.of(item) for item in page], next_cursor=cursor)


def _split_label(given: str) -> tuple[str, str]:
    name, _, label = given.partition(":")
    return name, label


@router.get("/v1/documents/{document_id}", summary="Show a document", responses=problems(404))
def get_document(document_id: str, services: TheServices, access: CallerAccess) -> DocumentOut:
    """One document."""
    return DocumentOut.of(services.documents.get(DocumentId(document_id), access))


@router.delete("/v1/documents/{document_id}", summary="Delete a document", responses=problems(404))
def delete_document(document_id: str, services: TheServices, access: CallerAccess) -> PurgedOut:
    """Delete a document with all its versions: gone from every search at once."""
    purged = services.documents.delete(DocumentId(document_id), access)
    services.generator.forget_prefixes()
    return PurgedOut.of(purged)


@router.get(
    "/v1/documents/{document_id}/versions", summary="List versions", responses=problems(404)
)
def list_versions(document_id: str, services: TheServices, access: CallerAccess) -> VersionPage:
    """Every version of a document, the newest first."""
    found = services.documents.versions(DocumentId(document_id), access)
    return VersionPage(items=[VersionOut.of(item) for item in found])


@router.delete(
    "/v1/documents/{document_id}/versions/{number}",
    summary="Delete a version",
    responses=problems(404),
)
def delete_version(
    document_id: str,
    number: Annotated[int, Path(ge=1, le=MAX_NUMBER)],
    services: TheServices,
    access: CallerAccess,
) -> PurgedOut:
    """Delete one version; with the last one goes the document.

    Where it was the searchable one, nothing takes its place: upload an older one's bytes again.
    """
    purged = services.documents.delete_version(DocumentId(document_id), number, access)
    services.generator.forget_prefixes()
    return PurgedOut.of(purged)


@router.get(
    "/v1/documents/{document_id}/content",
    summary="Download a document",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"*/*": {}}, "description": "The original bytes."},
        206: {"content": {"*/*": {}}, "description": "The part that the header `Range` names."},
        **problems(404),
    },
)
def get_content(
    request: Request,
    document_id: str,
    services: TheServices,
    access: CallerAccess,
    version: VersionNumber = None,
) -> Response:
    """The bytes as they were uploaded. Always a download: never shown inside this site."""
    content = services.documents.content(DocumentId(document_id), access, number=version)
    document = services.documents.get(DocumentId(document_id), access)
    note(request, collection=document.collection)
    tag = tag_of(content.version.sha256)
    if is_known(tag, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers={"ETag": tag})
    return send_bytes(
        content.read,
        content.version.num_bytes,
        asked=request.headers,
        headers={
            "Content-Type": content.version.media_type,
            "Content-Disposition": attachment(content.name),
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "ETag": tag,
        },
    )


@router.get(
    "/v1/documents/{document_id}/text", summary="Text of a document", responses=problems(404)
)
def get_text(
    request: Request,
    document_id: str,
    services: TheServices,
    access: CallerAccess,
    version: VersionNumber = None,
) -> TextOut:
    """The text that every `start` and `end` of this version points into."""
    text = services.documents.text(DocumentId(document_id), access, number=version)
    document = services.documents.get(DocumentId(document_id), access)
    note(request, collection=document.collection)
    return TextOut(
        document_id=document_id,
        version=text.number,
        text=text.text,
        page_starts=list(text.page_starts),
    )
