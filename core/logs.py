"""Logging as events with fields. Never a document's text, never a key."""

import io
import logging
import sys
from typing import TextIO, cast

import structlog

from core.settings import LogSettings


def configure_logs(settings: LogSettings) -> None:
    """Send structlog events to standard error, as text for people or JSON for machines."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.json_lines
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.level.upper()]
        ),
        # the logger writes and flushes, and asks no more of a TextIO
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _CurrentStderr())),
        # Not cached: a logger that was used once would never notice a new configuration.
        cache_logger_on_first_use=False,
    )


class _CurrentStderr(io.TextIOBase):
    """Standard error as it is when a line is written, not as it was when logs were configured.

    Whoever replaced it for a while (a test runner, a supervisor) may have closed theirs since, and
    a line of log that cannot be written must not end the work that it tells of.
    """

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()
