"""Two deletions at once, as only PostgreSQL has them: neither brings back what the other took."""

import threading
from dataclasses import replace

from sqlalchemy import select, text

from app.answers import Answers
from core.ids import DocumentId
from core.redaction import redact_answers
from core.tables import VersionRow
from core.verify import check_answers
from ingestion.uploads import Accepted
from tests.integration.ingestion.test_postgresql import answered, house
from tests.integration.waiting import until
from tests.unit.ingestion.house import EVERYTHING, House

__all__ = ["house"]


def test_an_answer_from_two_documents_that_are_deleted_at_once_holds_neither(house: House) -> None:
    first, second = (
        house.add(f"{name}.md", f"# A\n{f'{name} ' * 400}".encode()) for name in ("one", "two")
    )
    ended = answered(first)
    other = answered(second).response
    both = {
        **ended.response,
        "passages": [*ended.response["passages"], *other["passages"]],
        "receipt": {
            "passages": [*ended.response["receipt"]["passages"], *other["receipt"]["passages"]]
        },
    }
    answers = Answers(house.database)
    answers.keep(replace(ended, response=both))
    with house.database.session_scope() as session:
        redact_answers(session, select(VersionRow.id).where(VersionRow.id == first.job_id))
        deleting = threading.Thread(target=_delete, args=(house, second))
        deleting.start()
        until(lambda: _num_waiting(house) == 1)
        # the other deletion has begun, and waits for this one to commit
    deleting.join(60)
    house.documents.delete(first.document_id, EVERYTHING)
    assert check_answers(house.database, repair=False).findings == ()


def _delete(house: House, accepted: Accepted) -> None:
    house.documents.delete(DocumentId(accepted.document_id), EVERYTHING)


def _num_waiting(house: House) -> int:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with house.database.engine.connect() as connection:
        return int(connection.execute(waiting).scalar_one())
