"""`cimiento serve`: the whole service in one process tree, or its HTTP side alone."""

import errno
import os
import signal
import socket
from contextlib import AbstractContextManager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from app.cli.context import (
    FAILED,
    WRONG_USAGE,
    errors_to_exit,
    load_cli_settings,
    open_database,
    open_services,
)
from app.cli.doors import open_doors
from core.logs import configure_logs
from core.settings import Settings

if TYPE_CHECKING:
    from app.people.doors import Doors
    from app.supervisor import Supervisor

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
    processes: Annotated[
        int | None,
        typer.Option(
            min=1, max=64, help="Processes that answer; by default CIMIENTO_SERVER__PROCESSES."
        ),
    ] = None,
    channel: Annotated[
        int | None, typer.Option(help="Of a service with several processes, for these alone.")
    ] = None,
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
    signal.signal(signal.SIGTERM, _exit)
    num_processes = processes or settings.server.processes
    if channel is not None:
        _serve_handed(settings, socket.socket(fileno=channel))
    elif num_processes > 1:
        _serve_with(settings, num_processes, is_whole=is_whole)
    else:
        _serve_alone(settings, is_whole=is_whole)


def _serve_alone(settings: Settings, *, is_whole: bool) -> None:
    # Late: see app.cli.context.
    from app.main import create_app
    from app.processes.serving import supervise_ingestion
    from app.readiness import Condition
    from app.receiving import receiving
    from app.serving import serve as serve_app

    supervised: AbstractContextManager[Supervisor | None]
    supervised = supervise_ingestion() if is_whole else nullcontext()
    threads = embedding_threads(settings)
    with (
        _listen(settings) as listener,
        errors_to_exit(),
        # of many that start at once none may change the tables under the others
        open_services(settings, upgrade=is_whole, embedding_threads=threads) as services,
        receiving(services),
        supervised as worker,
    ):
        conditions = []
        if worker is not None:
            conditions.append(Condition(f"{worker.name} is not running", worker.is_alive))
        app = create_app(services, conditions=conditions)
        _print_address(settings, services.doors if is_whole else None)
        serve_app(app, listener, drain_s=settings.server.drain_s)


def _serve_with(settings: Settings, num_processes: int, *, is_whole: bool) -> None:
    # Late: see app.cli.context.
    from app.processes.serving import Plan, serve_processes

    plan = Plan(num_processes, embedding_threads(settings, num_processes=num_processes), is_whole)
    with _listen(settings) as listener:
        if is_whole:
            with open_doors(settings) as doors:
                _print_address(settings, doors)
        else:
            with open_database(settings):
                _print_address(settings, None)
        with errors_to_exit():
            code = serve_processes(settings, listener, plan)
    raise typer.Exit(code)


def _serve_handed(settings: Settings, channel: socket.socket) -> None:
    # Late: see app.cli.context.
    from app.main import create_app
    from app.processes.channel import Seat
    from app.processes.taking import Hand
    from app.receiving import receiving
    from app.serving import serve_handed
    from ingestion.processes import die_with_parent

    seat = Seat.receive(channel)
    configure_logs(settings.log, process=seat.name)
    die_with_parent(seat.parent_pid, signal.SIGTERM)
    hand = Hand(channel, seat)
    threads = embedding_threads(settings)
    with (
        errors_to_exit(),
        open_services(settings, upgrade=False, embedding_threads=threads, seat=seat) as services,
        receiving(services),
    ):
        app = create_app(services, conditions=hand.conditions())
        serve_handed(app, hand, drain_s=settings.server.drain_s)


def embedding_threads(settings: Settings, *, num_processes: int = 1) -> int | None:
    """None takes every core, which a model that answers on this machine takes already.

    Together they would be more threads than cores, and GNU OpenMP would send the waiting ones of
    both to sleep: its steps then take twice as long, for as long as the process lives. For the same
    reason several processes share the cores out.
    """
    if settings.retrieval.num_threads:
        return settings.retrieval.num_threads
    if settings.generation.url is None:
        return 1
    return None if num_processes == 1 else max(1, (os.cpu_count() or 1) // num_processes)


def _print_address(settings: Settings, doors: "Doors | None") -> None:
    base_url = settings.base_url
    typer.echo(f"\n  Cimiento is at {base_url}")
    if doors is None or doors.people.has_owner_with_password():
        # a link in a log that many can read would sign any of them in as the owner
        typer.echo("  Sign in there; 'cimiento sign-in' prints a link where a password is lost.\n")
        return
    token = doors.sessions.create_link()
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
