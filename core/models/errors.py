"""What can go wrong with model files. Facts and a remedy; knows no HTTP and no terminal."""

from typing import ClassVar

from core.errors import CimientoError


class UnknownModelError(CimientoError):
    """The name is not in the catalogue."""

    code: ClassVar[str] = "unknown_model"
    retryable: ClassVar[bool] = False


class ModelMissingError(CimientoError):
    """The model is known, but its files are not all on this machine."""

    code: ClassVar[str] = "model_missing"
    retryable: ClassVar[bool] = False


class ModelPullError(CimientoError):
    """No source gave the files, or they could not be written; nothing is left behind."""

    code: ClassVar[str] = "model_pull_failed"
    retryable: ClassVar[bool] = True


class ModelCorruptError(CimientoError):
    """Bytes arrived, but they are not the pinned ones; nothing is left behind."""

    code: ClassVar[str] = "model_corrupt"
    retryable: ClassVar[bool] = True
