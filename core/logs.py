"""Logging as events with fields. Never a document's text, never a key."""

import io
import logging
import re
import sys
from typing import Final, TextIO, cast

import structlog

from core.operator_settings import LogSettings

REDACTED: Final = "[redacted]"
_SECRET_FIELDS: Final = re.compile(
    r"(^|_)(password|passwd|secret|token|authorization|cookie|api_key|verifier)$", re.IGNORECASE
)
# keys, secrets of webhooks, what follows "Bearer", tokens in addresses, session cookies
_SECRETS: Final = re.compile(
    r"cim_[\w-]{16,}|whsec_[\w+/=-]+|(?<=Bearer )\S+|(?<=[?&]token=)[\w-]+|(?<=[?&]code=)[^&\s]+"
    r"|(?<=cimiento_session=)[\w-]+|(?<=__Host-cimiento=)[\w-]+",
    re.IGNORECASE,
)


def configure_logs(settings: LogSettings, *, process: str | None = None) -> None:
    """Send structlog events to standard error, as text for people or JSON for machines.

    process: named in every line, where several write into one log.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.json_lines
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    told: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if process is not None:
        told.append(_NamesProcess(process))
    # last before the line is written: a secret may stand in a traceback too
    written: list[structlog.typing.Processor] = [redact_secrets, renderer]
    _take_over_libraries(told, written)
    structlog.configure(
        processors=[*told, *written],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.level.upper()]
        ),
        # the logger writes and flushes, and asks no more of a TextIO
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _CurrentStderr())),
        # Not cached: a logger that was used once would never notice a new configuration.
        cache_logger_on_first_use=False,
    )


def _take_over_libraries(
    told: list[structlog.typing.Processor], written: list[structlog.typing.Processor]
) -> None:
    """Write what libraries warn of in the same form, with the same secrets taken out."""
    handler = _LibraryHandler(cast("TextIO", _CurrentStderr()))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=told,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *written],
        )
    )
    root = logging.getLogger()
    for earlier in root.handlers[:]:
        if isinstance(earlier, _LibraryHandler):
            root.removeHandler(earlier)
    root.addHandler(handler)


class _NamesProcess:
    """Adds which process a line is of."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(
        self, _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        return {**event, "process": self._name}


class _LibraryHandler(logging.StreamHandler[TextIO]):
    """Ours, to be told from those of whoever embeds us."""


def redact_secrets(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Take out what would let a reader of the log in, whoever wrote it there."""
    return {key: _redact(key, value) for key, value in event.items()}


def _redact(key: str, value: object) -> object:
    if _SECRET_FIELDS.search(key):
        return REDACTED
    if isinstance(value, str):
        return _SECRETS.sub(REDACTED, value)
    if isinstance(value, dict):
        return {inner: _redact(str(inner), each) for inner, each in value.items()}
    if isinstance(value, list | tuple):
        return [_redact("", each) for each in value]
    return value


class _CurrentStderr(io.TextIOBase):
    """Standard error as it is when a line is written, not as it was when logs were configured.

    Whoever replaced it for a while (a test runner, a supervisor) may have closed theirs since, and
    a line of log that cannot be written must not end the work that it tells of.
    """

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()
