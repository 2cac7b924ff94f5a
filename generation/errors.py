"""Errors of writing an answer that a person or a calling service may see."""

from core.errors import CimientoError


class QuestionTooLongError(CimientoError):
    """The prompt does not fit the model's window even without passages; nothing was cut."""

    code = "prompt_too_long"


class InvalidCompletionError(CimientoError):
    """An option of a completion is out of range; `param` names it."""

    code = "invalid_completion"

    def __init__(self, message: str, *, param: str) -> None:
        super().__init__(message)
        self.param = param


class GenerationFailedError(CimientoError):
    """The engine failed while it wrote; the message says how."""

    code = "generation_failed"
    retryable = True


class ModelUnusableError(CimientoError):
    """The model's files are damaged, of a kind that is not run, or not for conversations."""

    code = "model_unusable"


class GeneratorBusyError(CimientoError):
    """As many requests wait for the model as may; `retry_after_s` is what its server says."""

    code = "generator_busy"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class GeneratorUnavailableError(CimientoError):
    """The generation worker does not answer, or broke off."""

    code = "generator_unavailable"
    retryable = True


class GeneratorNotSupportedError(CimientoError):
    """The server behind the generator cannot do this; ours can."""

    code = "generator_not_supported"


class AdapterMissingError(CimientoError):
    """The adapter is not in the folder of the process that would apply it."""

    code = "adapter_missing"


class AdapterUnusableError(CimientoError):
    """The adapter is damaged, or of other weights than those that run."""

    code = "adapter_unusable"
