"""Every query on the labels of documents that a caller asks for, under the caller's access."""

from core.access import Access
from core.ids import DocumentId
from ingestion.documents import Documents
from ingestion.labels import Label, labels_of, remove_label, set_label
from ingestion.store import Store


class DocumentLabels:
    """What documents are labelled as. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._documents = Documents(store)

    def list(self, document_id: DocumentId, access: Access) -> tuple[Label, ...]:
        """The labels of a document, by name. Raises `DocumentNotFoundError`."""
        self._documents.get(document_id, access)
        with self._store.database.read_scope() as session:
            return labels_of(session, document_id)

    def set(self, document_id: DocumentId, access: Access, *, name: str, label: str) -> None:
        """Keep what a person says. Raises `DocumentNotFoundError`."""
        self._documents.get(document_id, access)
        with self._store.database.session_scope() as session:
            set_label(session, document_id, name=name, label=label)

    def remove(self, document_id: DocumentId, access: Access, *, name: str) -> None:
        """Forget a label, whoever gave it. Raises `DocumentNotFoundError`."""
        self._documents.get(document_id, access)
        with self._store.database.session_scope() as session:
            remove_label(session, document_id, name=name)
