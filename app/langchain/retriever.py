"""Search as langchain-core knows a retriever: passages with their exact places as metadata."""

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from cimiento.client.langchain import document_of
from core.access import Access
from retrieval.retriever import Retriever
from retrieval.types import Mode


class CimientoRetriever(BaseRetriever):
    """Finds the `k` passages that fit a question best, inside what `access` lets the caller see.

    `where` is a filter as `retrieval.filters` has it, or None. Each may be given to `invoke` too.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    retriever: Retriever
    access: Access
    k: int = 8
    mode: Mode = Mode.HYBRID
    where: object = None

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - the interface's own
        k: int | None = None,
        mode: Mode | None = None,
        where: object = None,
    ) -> list[Document]:
        found = self.retriever.retrieve(
            query,
            access=self.access,
            top_k=self.k if k is None else k,
            mode=self.mode if mode is None else Mode(mode),
            where=self.where if where is None else where,
        )
        return [document_of(passage) for passage in found]
