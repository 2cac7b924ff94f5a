"""Errors of writing an answer that a person or a calling service may see."""

from core.errors import CimientoError


class QuestionTooLongError(CimientoError):
    """The prompt does not fit the model's window even without passages; nothing was cut."""

    code = "prompt_too_long"
