"""Documents and vectors in bulk over a Ray cluster: committed once, whatever ends meanwhile."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from core.access import Access
from core.blobs import FolderBlobStore
from core.database import Database
from core.ids import DocumentId
from core.tables import ChunkRow, JobRow, ManifestRow, NextVectorRow, VersionRow
from ingestion.documents import Documents
from ingestion.store import Store
from tests.scale.cluster import Cluster, eventually
from tests.scale.conftest import TUNED

pytestmark = [pytest.mark.weights, pytest.mark.timeout(3600)]

NUM_FILES = 16
EVERYTHING = Access.to_everything()


@contextmanager
def truth(cluster: Cluster) -> Iterator[Database]:
    """The database of the cluster."""
    folder = Path(cluster.environment["CIMIENTO_DATA_DIR"])
    url = cluster.environment.get("CIMIENTO_DATABASE__URL", f"sqlite:///{folder / 'cimiento.db'}")
    database = Database(url)
    yield database
    database.close()


def write_files(folder: Path, *, num_paragraphs: int = 6) -> Path:
    """A folder of documents, no two of which say the same."""
    folder.mkdir()
    for number in range(NUM_FILES):
        paragraphs = [
            f"Chapter {place} of report {number} tells of river {number * 100 + place}, "
            f"whose bridge was built in {1500 + number} and repaired {place} times. " * 6
            for place in range(num_paragraphs)
        ]
        (folder / f"report-{number:02d}.txt").write_text("\n\n".join(paragraphs))
    return folder


def count(database: Database, state: str) -> int:
    """How many jobs are in a state."""
    with database.read_scope() as session:
        query = select(func.count()).select_from(JobRow).where(JobRow.state == state)
        return session.scalars(query).one()


def assert_once(database: Database, cluster: Cluster, *, num_documents: int) -> None:
    """Every document is searchable, every chunk there once, and nothing is left over."""
    with database.read_scope() as session:
        searchable = session.scalars(
            select(VersionRow.id).where(VersionRow.state == "searchable")
        ).all()
        places = session.execute(select(ChunkRow.version_id, ChunkRow.ordinal)).all()
    assert len(searchable) == num_documents
    assert {place.version_id for place in places} == set(searchable)
    assert len(set(places)) == len(places)
    verified = cluster.begin("verify", "--json")
    said, errors = verified.communicate(timeout=1800)
    assert verified.returncode == 0, said + errors


def test_documents_are_ingested_by_two_nodes_through_a_kill_and_a_deletion(
    parted_truth: Cluster, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "reports")
    with truth(parted_truth) as database:
        killed = parted_truth.fleet("ingest", str(folder), "--workers", "2")
        assert eventually(lambda: count(database, "searchable") >= 3), parted_truth.logs()
        killed.send_signal(signal.SIGKILL)
        killed.wait(60)
        before = workers_of(database)

        again = parted_truth.fleet("ingest", str(folder), "--workers", "2", "--json")
        # one that was not stored yet would be deleted, and then stored anew
        assert eventually(lambda: bool(workers_of(database) - before)), parted_truth.logs()
        deleted = delete_one_that_is_open(database, parted_truth)
        said, errors = again.communicate(timeout=1800)
        outcomes = json.loads(said)
        states = [each["state"] for each in outcomes]
        assert states.count("searchable") == NUM_FILES - deleted, said + errors
        assert_once(database, parted_truth, num_documents=NUM_FILES - deleted)
        # no worker outlives the command that was killed
        assert len(workers_of(database)) > 1


def workers_of(database: Database) -> set[str]:
    """Every worker that has taken a document."""
    with database.read_scope() as session:
        found = session.scalars(select(JobRow.worker_id).distinct()).all()
    return {each for each in found if each is not None}


def delete_one_that_is_open(database: Database, cluster: Cluster) -> int:
    """Delete the last document that waits; how many that were."""
    folder = Path(cluster.environment["CIMIENTO_DATA_DIR"])
    store = Store.below(folder, database, FolderBlobStore(folder / "blobs"))
    with database.read_scope() as session:
        query = select(VersionRow.document_id).where(VersionRow.state == "queued")
        found = session.scalars(query.order_by(VersionRow.id.desc()).limit(1)).one()
    Documents(store).delete(DocumentId(found), EVERYTHING)
    return 1


def test_sqlite_is_refused_on_two_nodes(parted: Cluster, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "reports")
    code, said = parted.run("ingest", str(folder))
    assert code == 1
    assert "SQLite" in said
    assert "PostgreSQL" in said


def test_the_index_changes_its_model_on_the_cluster_through_a_kill(
    alone: Cluster, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "reports", num_paragraphs=12)
    code, said = alone.run("ingest", str(folder), "--workers", "1", "--cpus-each", "2")
    assert code == 0, said
    with truth(alone) as database:

        def count_next() -> int:
            with database.read_scope() as session:
                return session.scalars(select(func.count()).select_from(NextVectorRow)).one()

        killed = alone.fleet("embed", "--model", TUNED, "--workers", "1")
        assert eventually(lambda: count_next() > 0), alone.logs()
        killed.send_signal(signal.SIGKILL)
        killed.wait(60)
        num_kept = count_next()
        assert num_kept > 0

        code, said = alone.run("embed", "--model", TUNED, "--workers", "2")
        assert code == 0, said
        with database.read_scope() as session:
            assert session.scalars(select(ManifestRow.embedding_model)).one() == TUNED
            models = session.scalars(select(VersionRow.embedding_model).distinct()).all()
        assert models == [TUNED]
        assert count_next() == 0
        assert_once(database, alone, num_documents=NUM_FILES)
