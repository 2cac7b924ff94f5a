"""A collection as langchain-core knows a vector store. Keeps nothing that the service does not."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Self
from uuid import uuid4

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from app.langchain.embeddings import CimientoEmbeddings
from app.langchain.texts import SeeThrough, Text, Texts
from app.services import Services
from cimiento.client.langchain import document_of
from core.access import Access
from core.types import Passage
from retrieval.types import Mode, Refining

# Two texts that say the same are two texts here.
_AS_THEY_ARE: Final = Refining(keep_duplicates=True)
# Many passages may be of one long text: so far a search goes down for others.
_MAX_DEPTH: Final = 1_000


class CimientoVectorStore(VectorStore):
    """Texts of one collection, embedded by the index itself.

    `mode` says by what they are found, unless a search says otherwise.
    """

    def __init__(
        self,
        services: Services,
        *,
        see_through: SeeThrough,
        collection: str = "default",
        mode: Mode = Mode.DENSE,
    ) -> None:
        found = services.collections.get(collection, Access.to_everything())
        self._services = services
        self._access = Access(frozenset({found.id}))
        self._texts = Texts(services, found, see_through)
        self._mode = mode

    @property
    def embeddings(self) -> CimientoEmbeddings:
        """The model of the index."""
        return CimientoEmbeddings(self._services.embedder)

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[Any, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **_options: object,
    ) -> list[str]:
        """Add texts, or replace those of the same ids; they are searchable on return.

        An id is a name as documents have. Raises `BadNameError` and `BadMetadataError` before
        anything is added, and `TextsNotAddedError`; what went well stays then.
        """
        wanted = list(texts)
        names = [name or str(uuid4()) for name in ids or [None] * len(wanted)]
        described = metadatas or [{}] * len(wanted)
        self._texts.add(
            [
                Text(name, text, metadata)
                for name, text, metadata in zip(names, wanted, described, strict=True)
            ]
        )
        return names

    def delete(self, ids: list[str] | None = None, **_options: object) -> bool:
        """Delete the texts of these ids, or all of them; ids that it lacks are no error."""
        self._texts.delete(ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The texts of these ids, in no order; ids that it lacks are left out."""
        return [_document(text) for text in self._texts.find(ids)]

    def similarity_search(self, query: str, k: int = 4, **options: Any) -> list[Document]:
        """The `k` texts nearest to a query: see `similarity_search_with_score`."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **options)]

    def similarity_search_with_score(
        self,
        query: str,
        k: int = 4,
        *,
        filter: object = None,  # noqa: A002 - what vector stores call it
        mode: Mode | str | None = None,
        **_options: object,
    ) -> list[tuple[Document, float]]:
        """The `k` texts nearest to a query, best first, each with its score: higher is nearer.

        `filter` is one as over HTTP. Of a document that others uploaded, its best passage is
        returned, as a retriever does.
        """
        mode = Mode(mode) if mode else self._mode
        depth = k
        while True:
            found = self._services.retriever.retrieve(
                query,
                access=self._access,
                top_k=depth,
                mode=mode,
                where=filter,
                refining=_AS_THEY_ARE,
            )
            best: dict[str, Passage] = {}
            for passage in found:
                best.setdefault(passage.document_id, passage)
            if len(best) >= k or len(found) < depth or depth >= _MAX_DEPTH:
                break
            depth *= 4
        return [(self._whole(passage), passage.score) for passage in list(best.values())[:k]]

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[Any, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **options: Any,
    ) -> Self:
        """A store made of the keywords of the constructor, with these texts added.

        `embedding` must be the model of the index, which embeds by itself; raises ValueError.
        """
        store = cls(**options)
        model = getattr(getattr(embedding, "embedder", None), "model", None)
        if model != store.embeddings.embedder.model:
            raise ValueError(
                "this store embeds by the model of its index: pass "
                "CimientoEmbeddings(services.embedder)"
            )
        store.add_texts(texts, metadatas, ids=ids)
        return store

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        # a cosine, and with words somewhat more; below 0 there is nothing alike
        return lambda score: min(max(score, 0.0), 1.0)

    def _whole(self, passage: Passage) -> Document:
        text = self._texts.load(passage.document_id)
        return document_of(passage) if text is None else _document(text)


def _document(text: Text) -> Document:
    return Document(id=text.id, page_content=text.text, metadata=dict(text.metadata))
