"""Errors of webhooks. Know no HTTP."""

from core.errors import CimientoError, NotFoundError


class WebhookNotFoundError(NotFoundError):
    """There is no webhook of that id."""

    code = "webhook_not_found"


class WebhookRefusedError(CimientoError):
    """The address of a webhook leads where none may lead, or to nowhere."""

    code = "webhook_refused"
