"""Fill a database with many small documents by the code of an earlier version. Run by `upgrade`.

    PYTHONPATH=THE_EARLIER_CODE python -P upgrade_seed.py NUM_DOCUMENTS

It imports what that version and this one both have, and leaves the index to `index rebuild`. A
sentence is embedded once; a document is two of them, and its vector their mean: ten thousand
documents cost four hundred texts.
"""

import hashlib
import itertools
import sys
from collections.abc import Iterator
from typing import Final

import numpy as np
from sqlalchemy import insert, select, update

import migrations
from app.wiring import build_database, build_embedder, build_store
from core.ids import new_id
from core.settings import load_settings
from core.tables import (
    ChunkIdRow,
    ChunkRow,
    CollectionRow,
    DocumentRow,
    JobRow,
    ManifestRow,
    VersionRow,
    VersionTextRow,
    now,
)
from ingestion.purge import next_generation
from ingestion.store import Store

PLACES: Final = (
    *("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Gorse", "Hazel", "Ivy", "Juniper"),
    *("Kelp", "Larch", "Maple", "Nettle", "Oak", "Pine", "Quince", "Rowan", "Sorrel", "Teasel"),
)
FACTS: Final = (
    "The library of {} opens at nine in the morning.",
    "The swimming pool of {} closes at eight in the evening.",
    "The market of {} is held every second Thursday.",
    "The bridge of {} was built of granite.",
    "The bakery of {} sells bread made of rye.",
    "The school of {} has forty pupils.",
    "The bus to {} leaves from the old mill.",
    "The river of {} floods in March.",
    "The museum of {} shows clocks and watches.",
    "The choir of {} sings on Sundays.",
    "The tower of {} has two hundred steps.",
    "The park of {} is closed to dogs.",
    "The theatre of {} burnt down in winter.",
    "The harbour of {} freezes in January.",
    "The doctor of {} sees patients on Mondays.",
    "The orchard of {} grows pears and plums.",
    "The post office of {} moved beside the inn.",
    "The ferry from {} takes twenty minutes.",
    "The mayor of {} is elected for five years.",
    "The well of {} is ninety metres deep.",
)
_AT_ONCE: Final = 500


def sentences() -> list[str]:
    """Every fact of every place."""
    return [fact.format(place) for fact in FACTS for place in PLACES]


def pairs(count: int) -> Iterator[tuple[int, int]]:
    """Which two sentences each document holds."""
    return itertools.islice(itertools.combinations(range(len(FACTS) * len(PLACES)), 2), count)


def main(num_documents: int) -> None:
    """Fill it."""
    settings = load_settings()
    database = build_database(settings)
    migrations.upgrade(database)
    store = build_store(settings, database)
    embedder = build_embedder(settings)
    texts = sentences()
    vectors = embedder.embed_passages(texts)  # (S, D)
    wanted = list(pairs(num_documents))
    with database.session_scope() as session:
        collection_id = session.scalars(
            select(CollectionRow.id).where(CollectionRow.name == "default")
        ).one()
    for start in range(0, len(wanted), _AT_ONCE):
        batch = wanted[start : start + _AT_ONCE]
        bodies = [f"{texts[first]} {texts[second]}" for first, second in batch]
        means = np.array([vectors[first] + vectors[second] for first, second in batch])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        _add(store, bodies, means.astype(np.float16), (collection_id, embedder.model, start))
        print(f"{start + len(batch)} documents", file=sys.stderr, flush=True)
    database.close()


def _add(store: Store, bodies: list[str], vectors: np.ndarray, place: tuple[str, str, int]) -> None:
    collection_id, model, start = place
    rows: dict[type, list[dict[str, object]]] = {
        each: [] for each in (DocumentRow, VersionRow, JobRow, VersionTextRow, ChunkRow)
    }
    with store.database.session_scope() as session:
        generation = next_generation(session)
        session.execute(update(ManifestRow).values(embedding_model=model))
        session.execute(update(ChunkIdRow).values(next_id=ChunkIdRow.next_id + len(bodies)))
        first_id = session.scalars(select(ChunkIdRow.next_id)).one() - len(bodies)
        for number, body in enumerate(bodies):
            document_id, version_id = new_id("doc"), new_id("job")
            of_both = {"document_id": document_id, "state": "searchable"}
            rows[DocumentRow].append(
                {
                    "id": document_id,
                    "collection_id": collection_id,
                    "name": f"note-{start + number:05}.txt",
                    "last_number": 1,
                }
            )
            rows[VersionRow].append(
                {
                    **of_both,
                    "id": version_id,
                    "number": 1,
                    "sha256": _keep(store, body.encode()),
                    "num_bytes": len(body.encode()),
                    "media_type": "text/plain",
                    "language": "en",
                    "num_chunks": 1,
                    "embedding_model": model,
                    "generation": generation,
                    "published_at": now(),
                }
            )
            rows[JobRow].append({**of_both, "id": version_id, "finished_at": now()})
            rows[VersionTextRow].append({"version_id": version_id, "text": body})
            rows[ChunkRow].append(
                {
                    "id": first_id + number,
                    "version_id": version_id,
                    "document_id": document_id,
                    "collection_id": collection_id,
                    "ordinal": 0,
                    "start": 0,
                    "end": len(body),
                    "language": "en",
                    "text": body,
                    "vector": vectors[number].tobytes(),
                }
            )
        for table, listed in rows.items():
            session.execute(insert(table), listed)


def _keep(store: Store, data: bytes) -> str:
    with store.blobs.begin() as blob:
        blob.write(data)
        blob.keep()
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main(int(sys.argv[1]))
