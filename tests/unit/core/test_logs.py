"""Logs go where standard error is now."""

import io
import json
import logging
import sys

import pytest
import structlog

from core.logs import configure_logs
from core.operator_settings import LogSettings


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


@pytest.mark.parametrize(
    ("event", "secret"),
    [
        ({"path": "/sign-in?token=s3cr3t-token_x"}, "s3cr3t"),
        ({"path": "/sign-in/provider/callback?state=a&code=s3cr3t.code"}, "s3cr3t"),
        ({"detail": "key cim_0123456789abcdefABCDEF-_ was refused"}, "cim_0123"),
        ({"headers": {"Authorization": "Bearer s3cr3t"}}, "s3cr3t"),
        ({"headers": ["cookie: cimiento_session=s3cr3t; a=b"]}, "s3cr3t"),
        ({"detail": "signed with whsec_s3cr3t+/s3cr3t="}, "s3cr3t"),
        ({"password": "s3cr3t"}, "s3cr3t"),
        ({"client_secret": "s3cr3t"}, "s3cr3t"),
    ],
)
def test_no_secret_is_logged(
    monkeypatch: pytest.MonkeyPatch, event: dict[str, object], secret: str
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs(LogSettings(json_lines=True))

    structlog.get_logger().info("request", status=200, first_token_ms=3.5, **event)

    assert secret not in written.getvalue()
    line = json.loads(written.getvalue())
    assert (line["event"], line["status"], line["first_token_ms"]) == ("request", 200, 3.5)


def test_no_secret_is_logged_with_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs(LogSettings(json_lines=True))

    try:
        int("cim_0123456789abcdefABCDEF")
    except ValueError:
        structlog.get_logger().exception("crashed")

    assert "cim_0123" not in written.getvalue()
    assert "invalid literal" in written.getvalue()


def test_what_libraries_warn_of_is_written_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs(LogSettings(json_lines=True))
    configure_logs(LogSettings(json_lines=True))

    with structlog.contextvars.bound_contextvars(request_id="req_1"):
        logging.getLogger("a.library").warning("refused %s", "Bearer s3cr3t")
    logging.getLogger("a.library").info("chatter")

    (line,) = map(json.loads, written.getvalue().splitlines())
    assert (line["event"], line["level"]) == ("refused Bearer [redacted]", "warning")
    assert line["request_id"] == "req_1"
