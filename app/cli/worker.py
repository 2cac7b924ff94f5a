"""`cimiento worker`: the processes behind the service."""

import os
import signal
import threading
from typing import Annotated, Final

import typer

from app.backup.mark import refuse_half_restored
from app.cli.context import FAILED, errors_to_exit, load_cli_settings
from app.cli.generate import Model
from ingestion.processes import die_with_parent

# Beside a service: whoever asks comes before whoever uploads. Its parsers inherit it.
_NICENESS: Final = 10

ParentPid = Annotated[
    int | None, typer.Option(help="End when this process, which started it, ends.")
]

worker_app = typer.Typer(name="worker", help="Run a worker process.", no_args_is_help=True)


@worker_app.callback()
def worker() -> None:
    """Run a worker process."""


@worker_app.command("ingest")
def ingest(
    parent_pid: ParentPid = None,
) -> None:
    """Make queued documents searchable until told to stop; run as many as the machine bears."""
    settings = load_cli_settings(logs=True, process=_name("ingest", parent_pid))
    if parent_pid is not None:
        os.nice(_NICENESS)
    # Late: the models' libraries take seconds to import, and `cimiento --help` must not wait.
    import migrations
    from app.wiring import (
        build_database,
        build_embedder,
        build_store,
        build_worker,
    )
    from ingestion.worker import run_worker

    with errors_to_exit():
        refuse_half_restored(settings.data_dir)
        database = build_database(settings)
        migrations.check(database)
        embedder = build_embedder(settings, num_threads=settings.ingestion.num_threads or None)
        # Beside the wait for the first document: loading takes seconds that it need not spend.
        threading.Thread(target=embedder.load, name="load-embedder", daemon=True).start()
        run_worker(
            build_worker(settings, build_store(settings, database), embedder),
            parent_pid=parent_pid,
        )
    database.close()


@worker_app.command("generate")
def generate(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on.")] = None,
    model: Model = None,
    fd: Annotated[
        int | None, typer.Option(help="Listen on this open socket, which whoever started it holds.")
    ] = None,
    parent_pid: ParentPid = None,
) -> None:
    """Serve a model over HTTP, in OpenAI's protocol, until told to stop."""
    settings = load_cli_settings(logs=True, process=_name("generate", parent_pid))
    if parent_pid is not None:
        die_with_parent(parent_pid, signal.SIGTERM)
    given = {"host": host, "port": port}
    chosen = settings.worker.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    # Late: as above.
    from app.wiring import build_local_generator
    from generation.worker.app import create_app
    from generation.worker.serving import inherit, listen, serve
    from generation.worker.state import Worker

    with errors_to_exit():
        served = build_local_generator(settings, model)
    try:
        if fd is None:
            listener = listen(chosen.host, chosen.port, send_timeout_s=chosen.send_timeout_s)
        else:
            listener = inherit(fd, send_timeout_s=chosen.send_timeout_s)
    except OSError as error:
        typer.echo(f"error: cannot listen at {chosen.host}, port {chosen.port}: {error}", err=True)
        raise typer.Exit(FAILED) from error
    if fd is None:
        typer.echo(f"Serving {served.model} at http://{chosen.host}:{chosen.port}/v1")
    worker = Worker(served, chosen)
    if not serve(create_app(worker), worker, listener):
        typer.echo(f"error: the model could not be loaded: {worker.failure}", err=True)
        raise typer.Exit(FAILED)


def _name(role: str, parent_pid: int | None) -> str | None:
    """What lines of the log are told apart by where a service writes into the same one."""
    return None if parent_pid is None else role
