"""The script that one writes first: LangChain splitter, sentence-transformers, a FAISS file.

    python -m benchmarks.ingestion_script FOLDER OUTPUT MODEL

It keeps nothing on the way, so that whoever stops it begins again, and knows no versions, deletion
or access. It is what `benchmarks.ingestion` stands beside.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import faiss
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_text_splitters import RecursiveCharacterTextSplitter
from sentence_transformers import SentenceTransformer

from core.settings import IngestionSettings


class FolderLoader(BaseLoader):
    """LangChain's own text loader is in a package that nothing else here needs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lazy_load(self) -> Iterator[Document]:
        for path in sorted(self._folder.glob("*.txt")):
            yield Document(path.read_text(encoding="utf-8"), metadata={"source": path.name})


def split(folder: Path, model: SentenceTransformer) -> list[Document]:
    """Chunks of the size that ingestion makes, in the model's tokens."""
    sizes = IngestionSettings()
    splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(
        model.tokenizer,
        chunk_size=sizes.chunk_tokens,
        chunk_overlap=sizes.chunk_overlap_tokens,
    )
    return splitter.split_documents(FolderLoader(folder).load())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingestion_script")
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("model", type=Path)
    options = parser.parse_args()
    model = SentenceTransformer(str(options.model), device="cpu", local_files_only=True)
    chunks = split(options.folder, model)
    texts = [f"passage: {chunk.page_content}" for chunk in chunks]
    vectors = model.encode(texts, show_progress_bar=False)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(options.output / "index.faiss"))
    rows = [{"text": chunk.page_content, **chunk.metadata} for chunk in chunks]
    (options.output / "chunks.json").write_text(json.dumps(rows), encoding="utf-8")
    print(json.dumps({"chunks": len(chunks)}))


if __name__ == "__main__":
    main()
