"""Logs go where standard error is now."""

import io
import json
import sys

import pytest
import structlog

from core.logs import configure_logs
from core.settings import LogSettings


def test_log_follows_standard_error_when_an_earlier_one_was_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    earlier, later = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", earlier)
    configure_logs(LogSettings(json_lines=True))
    log = structlog.get_logger()
    log.info("first")
    earlier.close()
    monkeypatch.setattr(sys, "stderr", later)

    log.warning("second", version="ver_1")

    line = json.loads(later.getvalue())
    assert (line["event"], line["level"], line["version"]) == ("second", "warning", "ver_1")


def test_lines_below_the_level_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs(LogSettings(level="warning", json_lines=True))

    structlog.get_logger().info("quiet")

    assert written.getvalue() == ""
