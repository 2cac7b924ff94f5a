"""The service's embedding model as langchain-core knows one. Computes what the index computes."""

from langchain_core.embeddings import Embeddings

from core.embedding import Embedder


class CimientoEmbeddings(Embeddings):
    """Questions and passages to unit vectors, by the model of the index."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed N passages -> N lists of D numbers."""
        vectors: list[list[float]] = self.embedder.embed_passages(texts).tolist() if texts else []
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Embed a question -> D numbers."""
        vector: list[float] = self.embedder.embed_queries([text])[0].tolist()
        return vector
