"""What work leaves beside the truth, compared with it: staged work, received bytes, workflows.

Each function is a check for `core.verify`. Nothing is told that a running service may be doing.
"""

from collections.abc import Sequence
from typing import Final

from core.blobs import BlobStore
from core.verify import GRACE_S, Checked, Finding, is_abandoned
from ingestion.attempts import Attempts
from ingestion.claims import find_unneeded
from ingestion.store import Store
from ingestion.workflow import IngestionQueue

_NO_JOB: Final = "work was staged that no open job goes on with"
_NO_DOCUMENT: Final = "bytes were received that became no document"
_NO_ATTEMPT: Final = "no open job waits for this durable workflow"


def check_staging(store: Store, *, alone: bool, repair: bool) -> Checked:
    """Work is staged for open jobs only. `alone`: nobody works on a document meanwhile."""
    # In this order: work that ends in between is no orphan.
    wanted = {attempt.version_id for attempt in Attempts(store).list_open()}
    staged = sorted(store.staging.list())
    orphans = [
        version_id
        for version_id in staged
        if version_id not in wanted
        if alone or (store.staging.idle_s(version_id) or 0.0) > GRACE_S
    ]
    for version_id in orphans if repair else ():
        store.staging.remove(version_id)
    found = _findings("orphan_staging", orphans, _NO_JOB, repair=repair)
    return Checked("staged", len(staged), found)


def check_incoming(blobs: BlobStore, *, alone: bool, repair: bool) -> Checked:
    """What is being received belongs to an upload. `alone`: nobody receives any meanwhile."""
    incoming = blobs.list_incoming()
    orphans = [path for path in incoming if alone or is_abandoned(path)]
    for path in orphans if repair else ():
        path.unlink(missing_ok=True)
    names = [path.name for path in orphans]
    found = _findings("orphan_incoming", names, _NO_DOCUMENT, repair=repair)
    return Checked("incoming", len(incoming), found)


def check_workflows(
    attempts: Attempts,
    queue: IngestionQueue,
    *,
    alone: bool,
    repair: bool,
    older_than_s: float = GRACE_S,
) -> Checked:
    """A durable workflow is kept only while an open job waits for it; workers forget the others.

    One that has not ended may be just about to: it counts only where nobody works.
    """
    workflows = queue.list_workflows(ended_only=not alone)
    orphans = find_unneeded(workflows, attempts.list_open(), older_than_s=older_than_s)
    if repair:
        queue.forget(orphans)
    found = _findings("orphan_workflow", orphans, _NO_ATTEMPT, repair=repair)
    return Checked("workflows", len(workflows), found)


def _findings(
    kind: str, subjects: Sequence[str], detail: str, *, repair: bool
) -> tuple[Finding, ...]:
    return tuple(Finding(kind, subject, detail, mended=repair) for subject in subjects)
