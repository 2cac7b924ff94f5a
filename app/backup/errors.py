"""Errors of backups: what is wrong with one, or with the place it is restored into."""

from core.errors import CimientoError, NotFoundError


class BackupNotFoundError(NotFoundError):
    """The folder holds no backup, or none of that id."""

    code = "backup_not_found"


class BackupDamagedError(CimientoError):
    """Bytes of a backup are missing or not what they were; an earlier one may be whole."""

    code = "backup_damaged"


class BackupUnsettledError(CimientoError):
    """Documents were deleted faster than they could be copied; nothing was kept."""

    code = "backup_unsettled"
    retryable = True


class NotEmptyError(CimientoError):
    """A backup is restored into an empty place only; the message says what is there."""

    code = "not_empty"


class HalfRestoredError(CimientoError):
    """A restore has begun in this data folder and not ended; nothing else works there."""

    code = "half_restored"


class NotRestorableError(CimientoError):
    """The rows of a backup do not fit into the database; the message says which and why."""

    code = "not_restorable"


class DeletionsUnknownError(CimientoError):
    """Nothing says what was deleted after the backup; the message says how to go on."""

    code = "deletions_unknown"
