"""Route of the audit log, for owners of the service."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.api.common import PAGE_SIZE, TheServices, problems
from app.api.fields import CollectionName
from app.api.people_schemas import AuditEventOut, AuditPage
from app.people.audit import AuditFilter

router = APIRouter(tags=["audit"])


class AuditQuery(BaseModel):
    """What to list; unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    actor: str | None = Field(default=None, max_length=80, examples=["person:per_01k"])
    action: str | None = Field(
        default=None, max_length=64, description="An action, or its beginning: `document.`"
    )
    collection: CollectionName | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    cursor: str | None = Field(default=None, max_length=64, description="Of the last page.")

    def filter(self) -> AuditFilter:
        """As the log takes it."""
        return AuditFilter(self.actor, self.action, self.collection, self.since, self.until)


@router.get("/v1/audit", summary="Read the audit log", responses=problems())
def list_events(where: Annotated[AuditQuery, Query()], services: TheServices) -> AuditPage:
    """Who did what, the newest first."""
    found = services.doors.audit.list(where.filter(), cursor=where.cursor, limit=PAGE_SIZE + 1)
    page = found[:PAGE_SIZE]
    next_cursor = page[-1].id if len(found) > PAGE_SIZE else None
    return AuditPage(items=[AuditEventOut.of(each) for each in page], next_cursor=next_cursor)
