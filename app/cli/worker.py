"""`cimiento worker`: the processes behind the service."""

import threading
from typing import Annotated

import typer

from app.cli.context import errors_to_exit, load_cli_settings

worker_app = typer.Typer(name="worker", help="Run a worker process.", no_args_is_help=True)


@worker_app.callback()
def worker() -> None:
    """Run a worker process."""


@worker_app.command("ingest")
def ingest(
    parent_pid: Annotated[
        int | None, typer.Option(help="End when this process, which started it, ends.")
    ] = None,
) -> None:
    """Make queued documents searchable until told to stop; one process a data folder."""
    settings = load_cli_settings(logs=True)
    # Late: the models' libraries take seconds to import, and `cimiento --help` must not wait.
    import torch

    import migrations
    from app.wiring import (
        build_database,
        build_embedder,
        build_store,
        build_worker,
    )
    from ingestion.worker import run_worker
    from ingestion.worker_lock import WorkerLock

    if settings.ingestion.num_threads:
        torch.set_num_threads(settings.ingestion.num_threads)
    database = build_database(settings)
    with errors_to_exit():
        migrations.check(database)
        embedder = build_embedder(settings)
        # Beside the wait for the first document: loading takes seconds that it need not spend.
        threading.Thread(target=embedder.load, name="load-embedder", daemon=True).start()
        run_worker(
            build_worker(settings, build_store(settings, database), embedder),
            WorkerLock(settings.data_dir),
            parent_pid=parent_pid,
            # under a service, 'cimiento add' may hold the lock for a while
            wait_for_lock_s=float("inf") if parent_pid is not None else 0.0,
        )
    database.close()
