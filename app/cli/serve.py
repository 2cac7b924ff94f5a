"""`cimiento serve`: the whole service in one process tree, or its HTTP side alone."""

import errno
import os
import signal
import socket
import sys
from contextlib import AbstractContextManager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from app.cli.context import FAILED, WRONG_USAGE, errors_to_exit, load_cli_settings, open_services
from core.settings import Settings

if TYPE_CHECKING:
    from app.services import Services

_BACKLOG: Final = 256

Role = Literal["all", "api"]


def serve(
    role: Annotated[
        Role,
        typer.Option(
            help="all: with an ingestion worker and, unless CIMIENTO_GENERATION__URL is set, the "
            "model. api: neither, for any number of these beside workers."
        ),
    ] = "all",
) -> None:
    """Start the service and print its address with a one-time sign-in link."""
    settings = load_cli_settings(logs=True)
    is_whole = role == "all"
    if not is_whole and settings.generation.url is None:
        typer.echo(
            "error: a service without a model needs CIMIENTO_GENERATION__URL: the addresses of "
            "one or more 'cimiento worker generate'",
            err=True,
        )
        raise typer.Exit(WRONG_USAGE)
    with (
        _listen(settings) as listener,
        errors_to_exit(),
        # of many that start at once none may change the tables under the others
        open_services(
            settings, upgrade=is_whole, embedding_threads=embedding_threads(settings)
        ) as services,
    ):
        _serve(services, listener, is_whole=is_whole)


def _serve(services: "Services", listener: socket.socket, *, is_whole: bool) -> None:
    # Late: see app.cli.context.
    from app.main import create_app
    from app.readiness import Condition
    from app.receiving import receiving
    from app.serving import serve as serve_app
    from app.supervisor import Supervisor

    signal.signal(signal.SIGTERM, _exit)
    supervised: AbstractContextManager[Supervisor | None]
    supervised = Supervisor(_worker_command()) if is_whole else nullcontext()
    with receiving(services), supervised as worker:
        conditions = []
        if worker is not None:
            conditions.append(Condition("the ingestion worker is not running", worker.is_alive))
        app = create_app(services, conditions=conditions)
        _print_address(services, with_link=is_whole)
        serve_app(app, listener, drain_s=services.settings.server.drain_s)


def embedding_threads(settings: Settings) -> int | None:
    """None takes every core, which a model that answers in this process takes already.

    Together they would be more threads than cores, and GNU OpenMP would send the waiting ones of
    both to sleep: its steps then take twice as long, for as long as the process lives.
    """
    beside_engine = settings.generation.url is None
    return settings.retrieval.num_threads or (1 if beside_engine else None)


def _worker_command() -> list[str]:
    return [
        sys.executable,
        "-m",
        "app.cli",
        "worker",
        "ingest",
        "--parent-pid",
        str(os.getpid()),
    ]


def _print_address(services: "Services", *, with_link: bool) -> None:
    base_url = services.settings.base_url
    typer.echo(f"\n  Cimiento is at {base_url}")
    if not with_link or services.doors.people.has_owner_with_password():
        # a link in a log that many can read would sign any of them in as the owner
        typer.echo("  Sign in there; 'cimiento sign-in' prints a link where a password is lost.\n")
        return
    token = services.doors.sessions.create_link()
    typer.echo("  To sign this browser in, open this link; it works once, within a day:\n")
    typer.echo(f"    {base_url}/sign-in?token={token}\n")


def _listen(settings: Settings) -> socket.socket:
    """Take the port before anything else is started."""
    host, port = settings.server.host, settings.server.port
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        if listener is not None:
            listener.close()
        typer.echo(f"error: {_explain(error, host, port)}", err=True)
        raise typer.Exit(FAILED) from error
    return listener


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use; choose another with CIMIENTO_SERVER__PORT"
    return f"cannot listen at {host}, port {port}: {error.strerror or error}"


def _exit(_number: int, _frame: FrameType | None) -> None:
    # before and after the server, which drains: leave the ordinary way
    raise SystemExit(0)
