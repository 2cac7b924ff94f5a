"""Maps hold what a collection holds now: nothing foreign, nothing deleted; pictures are safe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from sqlalchemy.orm import Session

from core.database import Database
from core.ids import CollectionId
from retrieval.map.mapper import Mapper
from retrieval.map.options import MapOptions
from retrieval.map.picture import draw_svg
from retrieval.map.types import Cluster, CollectionMap
from tests.library import Library

OPTIONS = MapOptions(num_clusters=2)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def collection(library: Library) -> CollectionId:
    """Twelve chunks on two subjects."""
    collection = library.default_collection()
    for number in range(6):
        library.publish(collection, f"r{number}.txt", [f"river water flows {number}"])
        library.publish(collection, f"b{number}.txt", [f"bridge steel stands {number}"])
    return collection


def draw(
    library: Library, collection: CollectionId, options: MapOptions = OPTIONS
) -> CollectionMap:
    return Mapper(library.database, num_threads=1).draw(collection, options)


def test_chunks_of_a_subject_share_a_cluster_that_is_named_by_it(
    library: Library, collection: CollectionId
) -> None:
    drawn = draw(library, collection)

    assert [cluster.num_points for cluster in drawn.clusters] == [6, 6]
    names = {frozenset(cluster.terms) for cluster in drawn.clusters}
    assert names == {
        frozenset({"river", "water", "flows"}),
        frozenset({"bridge", "steel", "stands"}),
    }
    assert drawn.num_chunks == len(drawn.chunk_ids) == len(set(drawn.document_ids)) == 12


def test_other_collections_are_not_on_the_map(library: Library, collection: CollectionId) -> None:
    other = library.add_collection("other")
    foreign = library.publish(other, "secret.txt", ["river of a secret"])

    drawn = draw(library, collection)

    assert foreign not in drawn.document_ids
    assert all("secret" not in cluster.terms for cluster in drawn.clusters)
    assert draw(library, other).document_ids == [foreign]


def test_deleted_document_is_on_no_later_map(library: Library, collection: CollectionId) -> None:
    doomed = library.publish(collection, "doomed.txt", ["secret words"])
    mapper = Mapper(library.database, num_threads=1)
    assert doomed in mapper.draw(collection, OPTIONS).document_ids

    library.delete(doomed)

    drawn = mapper.draw(collection, OPTIONS)
    assert doomed not in drawn.document_ids
    assert all("secret" not in cluster.terms for cluster in drawn.clusters)


class Interrupted(Database):
    """Does something between the first reading of the rows and the second."""

    def __init__(self, url: str, interrupt: Callable[[], object]) -> None:
        super().__init__(url)
        self._waiting: list[Callable[[], object]] = [interrupt, lambda: None]

    @contextmanager
    def read_scope(self) -> Iterator[Session]:
        interrupt = self._waiting.pop()
        interrupt()
        with super().read_scope() as session:
            yield session


def test_what_is_deleted_while_the_map_is_drawn_is_not_on_it(
    library: Library, collection: CollectionId
) -> None:
    doomed = library.publish(collection, "doomed.txt", ["secret words"])
    url = library.database.engine.url.render_as_string()
    database = Interrupted(url, lambda: library.delete(doomed))

    drawn = Mapper(database, num_threads=1).draw(collection, MapOptions(num_clusters=8))

    database.close()
    assert doomed not in drawn.document_ids
    assert drawn.num_chunks == len(drawn.chunk_ids) == 12
    assert sum(cluster.num_points for cluster in drawn.clusters) == 12
    assert all("secret" not in cluster.terms for cluster in drawn.clusters)


def test_same_map_until_something_changes(library: Library, collection: CollectionId) -> None:
    mapper = Mapper(library.database, num_threads=1)
    first = mapper.draw(collection, OPTIONS)
    assert mapper.draw(collection, OPTIONS) is first

    added = library.publish(collection, "new.txt", ["river boats"])

    assert added in mapper.draw(collection, OPTIONS).document_ids


def test_large_collections_are_sampled(library: Library, collection: CollectionId) -> None:
    drawn = draw(library, collection, MapOptions(max_points=5))

    assert (len(drawn.chunk_ids), drawn.num_chunks) == (5, 12)
    assert "5 of 12 chunks" in draw_svg(drawn, title="default")


def test_empty_collection_has_an_empty_map(library: Library) -> None:
    drawn = draw(library, library.default_collection())

    assert (drawn.num_chunks, drawn.clusters, len(drawn.places)) == (0, (), 0)
    assert ElementTree.fromstring(draw_svg(drawn, title="empty")).tag == f"{SVG}svg"  # noqa: S314 - our own


def test_text_in_a_picture_is_text(library: Library, collection: CollectionId) -> None:
    hostile = "</title><script>alert(1)</script>\x00\ud800"
    drawn = draw(library, collection)
    first, *others = drawn.clusters
    named = Cluster((hostile,), first.num_points, first.x, first.y)

    picture = draw_svg(replace(drawn, clusters=(named, *others)), title=hostile)

    picture.encode("utf-8")
    root = ElementTree.fromstring(picture)  # noqa: S314 - our own
    assert not list(root.iter(f"{SVG}script"))
    assert root.findtext(f"{SVG}title") == "</title><script>alert(1)</script>"
    assert len(list(root.iter(f"{SVG}path"))) == 2
