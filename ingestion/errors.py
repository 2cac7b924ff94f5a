"""Errors of ingestion: what was wrong with a file, a name or a job. Knows no HTTP."""

from core.errors import CimientoError


class UnsupportedMediaTypeError(CimientoError):
    """The bytes are of a kind that cannot be read; the message lists the kinds that can."""

    code = "unsupported_media_type"


class EmptyDocumentError(CimientoError):
    """The file has no bytes."""

    code = "empty_document"


class DocumentTooLargeError(CimientoError):
    """The file, its pages or its text are over a limit; the message names the setting."""

    code = "document_too_large"


class UnreadableDocumentError(CimientoError):
    """The file is broken: its parser could not make sense of it."""

    code = "unreadable_document"


class PasswordRequiredError(CimientoError):
    """The file is encrypted and does not open without a password."""

    code = "password_required"


class PasswordWrongError(CimientoError):
    """The file is encrypted, and the password that came with it does not open it."""

    code = "password_wrong"


class OcrNotInstalledError(CimientoError):
    """The file is a picture or a scan, and the `ocr` extra that reads those is not installed."""

    code = "ocr_not_installed"


class NoTextFoundError(CimientoError):
    """The file was read and holds no text, such as a scan."""

    code = "no_text_found"


class ParseTimeoutError(CimientoError):
    """Parsing took longer than it may; a less busy machine can make it."""

    code = "parse_timeout"
    retryable = True


class ParseMemoryExceededError(CimientoError):
    """Parsing needed more memory than it may have."""

    code = "parse_memory_exceeded"


class ParserCrashedError(CimientoError):
    """The parser's process died on this file; the service did not."""

    code = "parser_crashed"


class NestedTooDeepError(CimientoError):
    """A file inside a mail inside a mail, and so on, further down than files are read."""

    code = "nested_too_deep"


class PoisonDocumentError(CimientoError):
    """The worker died at the same point of this document several times; it is left alone."""

    code = "poison_document"


class IngestionInterruptedError(CimientoError):
    """The durable job ended without a result; starting it again can help."""

    code = "ingestion_interrupted"
    retryable = True


class StageStalledError(CimientoError):
    """A stage made no progress for its limit and was stopped; the message names the setting."""

    code = "stage_stalled"
    retryable = True


class WorkerGivenUpError(CimientoError):
    """This worker was silent for so long that the others took its work over; it starts anew."""

    code = "worker_given_up"
    retryable = True


class StorageFullError(CimientoError):
    """There is no room left in the data folder."""

    code = "storage_full"
    retryable = True


class MemoryShortError(CimientoError):
    """The machine had no memory left for this work, whoever has the rest; later there may be."""

    code = "memory_short"
    retryable = True


class BadCollectionNameError(CimientoError):
    """The name is not one that a collection can have; the message says which are."""

    code = "bad_collection_name"


class BadLanguageError(CimientoError):
    """The language is not a code such as `en` or `es`."""

    code = "bad_language"


class CollectionExistsError(CimientoError):
    """A collection of that name is there already."""

    code = "collection_exists"


class DefaultCollectionError(CimientoError):
    """The collection `default` cannot be deleted."""

    code = "default_collection"


class BadNameError(CimientoError):
    """A file's path cannot be the name of a document; the message says why."""

    code = "bad_name"


class BadMetadataError(CimientoError):
    """The metadata is not a JSON object, or too large."""

    code = "bad_metadata"


class JobNotRetryableError(CimientoError):
    """The job has nothing to retry: it runs, succeeded, or a newer version took its place."""

    code = "job_not_retryable"


class JobFinishedError(CimientoError):
    """The job came to its end before it could be cancelled."""

    code = "job_finished"


ERRORS_BY_CODE: dict[str, type[CimientoError]] = {
    error.code: error
    for error in (
        UnsupportedMediaTypeError,
        EmptyDocumentError,
        DocumentTooLargeError,
        UnreadableDocumentError,
        PasswordRequiredError,
        PasswordWrongError,
        OcrNotInstalledError,
        NoTextFoundError,
        ParseTimeoutError,
        ParseMemoryExceededError,
        ParserCrashedError,
    )
}
"""What the parser's process may report, by code: so an error crosses between processes."""
