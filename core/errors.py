"""Domain errors: a stable code, the facts and a remedy. Knows no HTTP; `app.errors` maps codes."""

from typing import ClassVar


class CimientoError(Exception):
    """Base of every error that a person or a calling service may see.

    `code` is stable snake_case and part of the API. `retryable` says whether the same request can
    succeed later without being changed. The message carries the facts and, where there is one,
    the remedy.
    """

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False


class SettingsError(CimientoError):
    """A setting is unknown or has a bad value; the message names its environment variable."""

    code = "bad_setting"


class DatabaseBehindError(CimientoError):
    """The database has an older or newer schema than this code; `cimiento db upgrade` mends it."""

    code = "database_behind"


class DatabaseBusyError(CimientoError):
    """Others write for longer than one waits, the disk is full, or the server is gone for now."""

    code = "database_busy"
    retryable = True


class NotFoundError(CimientoError):
    """Something named by the caller does not exist, or the caller may not know that it does."""

    code = "not_found"


class CollectionNotFoundError(NotFoundError):
    """No collection of that name is visible to the caller."""

    code = "collection_not_found"


class DocumentNotFoundError(NotFoundError):
    """No document or version of that id is visible to the caller."""

    code = "document_not_found"


class JobNotFoundError(NotFoundError):
    """No job of that id is visible to the caller."""

    code = "job_not_found"


class BlobMissingError(CimientoError):
    """The bytes of a known document are not in the blob store; a restore can bring them back."""

    code = "blob_missing"


class BlobDamagedError(CimientoError):
    """The bytes in the blob store are not those that their name says; a restore brings them back.

    So does uploading the same document again.
    """

    code = "blob_damaged"


class BlobStoreUnavailableError(CimientoError):
    """The blob store does not answer, or fails; nothing was half written."""

    code = "blob_store_unavailable"
    retryable = True


class BlobStoreRefusedError(CimientoError):
    """The blob store does not know the credentials, the bucket or the right to do that."""

    code = "blob_store_refused"


class SegmentCorruptError(CimientoError):
    """A segment on disk disagrees with the manifest; `cimiento index rebuild` mends it."""

    code = "segment_corrupt"


class AlreadyRunningError(CimientoError):
    """Another process holds the exclusive part of this data folder."""

    code = "already_running"


class ClassifierUnusableError(CimientoError):
    """The file is no classifier of ours, or damaged."""

    code = "classifier_unusable"


class EncoderUnsupportedError(CimientoError):
    """The folder holds an embedding model of an architecture that is not run here."""

    code = "encoder_unsupported"
