"""`cimiento fleet`: workers and bulk work on a Ray cluster. Starts no cluster: `ray start` does."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from app.cli.add import Wanted, add_files, end
from app.cli.context import AsJson, errors_to_exit, load_cli_settings, open_services
from app.cli.generate import Model
from app.cli.options import takes_options

fleet_app = typer.Typer(
    name="fleet", help="Run many workers on a Ray cluster (extra: scale).", no_args_is_help=True
)

Cluster = Annotated[
    str, typer.Option("--cluster", help="Address of the Ray cluster; auto is this machine's.")
]
Workers = Annotated[
    int, typer.Option("--workers", min=1, help="Most workers at a time, over all machines.")
]
CpusEach = Annotated[int, typer.Option(min=1, help="Processors, and threads, of each worker.")]


@fleet_app.callback()
def fleet() -> None:
    """Run many workers on a Ray cluster (extra: scale)."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a fleet may become, and what each worker gets."""

    min_workers: Annotated[int, typer.Option("--min", min=1, help="Least workers.")] = 1
    max_workers: Annotated[int, typer.Option("--max", min=1, help="Most workers.")] = 1
    texts_each: Annotated[
        float, typer.Option(min=0.1, help="Texts under way a worker; more make the fleet grow.")
    ] = 4.0
    cpus_each: Annotated[float, typer.Option(min=0, help="Processors of each worker.")] = 1.0
    gpus_each: Annotated[float, typer.Option(min=0, help="Cards of each worker.")] = 0.0
    shrink_after_s: Annotated[
        float, typer.Option(min=0, help="How long it must have too many before one goes.")
    ] = 300.0


@fleet_app.command("serve")
@takes_options(Size)
def serve(
    cluster: Cluster = "auto",
    host: Annotated[str, typer.Option(help="Address that every machine listens on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of every machine.")] = 8422,
    model: Model = None,
    *,
    options: Size,
) -> None:
    """Start generation workers on the cluster, or change those that run; then return."""
    settings = load_cli_settings()
    if options.max_workers < options.min_workers:
        raise typer.BadParameter("--max must be at least --min", param_hint="--max")
    with errors_to_exit(), _connected(cluster):
        # Late: see app.cli.context.
        from app.fleet.on_ray.serving import FleetOptions, serve_fleet

        wanted = FleetOptions(
            model=model,
            min_workers=options.min_workers,
            max_workers=options.max_workers,
            texts_each=options.texts_each,
            cpus_each=options.cpus_each,
            gpus_each=options.gpus_each,
            shrink_after_s=options.shrink_after_s,
            drain_s=settings.worker.drain_s,
        )
        serve_fleet(wanted, host=host, port=port)
    typer.echo(
        f"The fleet serves at port {port} of every machine: CIMIENTO_GENERATION__URL names it"
    )


@fleet_app.command("stop")
def stop(cluster: Cluster = "auto") -> None:
    """End the generation workers of the cluster; each ends what it has begun."""
    load_cli_settings()
    with errors_to_exit(), _connected(cluster):
        from app.fleet.on_ray.serving import stop_fleet

        stop_fleet()
    typer.echo("The fleet has ended")


@fleet_app.command("ingest")
def ingest(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files and folders.")],
    collection: Annotated[str, typer.Option("--collection", "-c")] = "default",
    cluster: Cluster = "auto",
    workers: Workers = 4,
    cpus_each: CpusEach = 1,
    as_json: AsJson = False,
) -> None:
    """Add documents with the whole cluster, and wait until they are searchable."""
    settings = load_cli_settings()
    with (
        errors_to_exit(),
        _connected(cluster),
        open_services(settings, upgrade=True) as services,
    ):
        # Late: see app.cli.context.
        from app.fleet.ingesting import forget_waiting
        from app.fleet.on_ray.bulk import Spread, check_shared
        from app.fleet.on_ray.spreading import SpreadWork
        from ingestion.attempts import Attempt

        check_shared(settings)
        work = SpreadWork(services.store, services.workers, Spread(workers, cpus_each))
        wanted = Wanted(paths, collection)
        outcome = add_files(services, wanted, nullcontext, beside=work, check=work.check)
        forget_waiting(
            services.queue,
            [
                Attempt(item.accepted.job_id, item.accepted.attempt)
                for item in outcome.added
                if item.accepted is not None and not item.is_open
            ],
        )
    end(outcome, as_json=as_json)


@fleet_app.command("embed")
def embed(
    model: Annotated[
        str | None, typer.Option(help="The embedding model to change to; else the settings'.")
    ] = None,
    cluster: Cluster = "auto",
    workers: Workers = 4,
    cpus_each: CpusEach = 1,
) -> None:
    """Change the index to another embedding model with the whole cluster; searches go on."""
    settings = load_cli_settings()
    # Late: see app.cli.context.
    import migrations
    from app.wiring import build_database, build_embedder, build_store, build_workers
    from core.merging import Workshop
    from ingestion.reembedding import change_model

    with errors_to_exit(), _connected(cluster), closing(build_database(settings)) as database:
        from app.fleet.on_ray.bulk import Spread, check_alone, embed_missing

        migrations.check(database)
        check_alone(build_workers(settings, database))
        segments = build_store(settings, database).segments
        shop = Workshop(database, segments, num_threads=os.cpu_count() or 1)
        wanted = build_embedder(settings, model)
        spread = partial(embed_missing, Spread(workers, cpus_each))
        is_changed = change_model(shop, wanted, spread)
    typer.echo(
        f"the index is of {wanted.model} now; set CIMIENTO_MODELS__EMBEDDING to it"
        if is_changed
        else f"the index is of {wanted.model} already, or there is nothing in it"
    )


@contextmanager
def _connected(cluster: str) -> Iterator[None]:
    # Late: few have the extra, and this says so where it is wanted.
    from app.fleet.extra import check_installed

    check_installed()
    from app.fleet.on_ray.cluster import connected

    with connected(cluster):
        yield
