"""`cimiento fleet`: workers and bulk work on a Ray cluster. Starts no cluster: `ray start` does."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from app.cli.context import errors_to_exit, load_cli_settings
from app.cli.generate import Model
from app.cli.options import takes_options

fleet_app = typer.Typer(
    name="fleet", help="Run many workers on a Ray cluster (extra: scale).", no_args_is_help=True
)

Cluster = Annotated[
    str, typer.Option("--cluster", help="Address of the Ray cluster; auto is this machine's.")
]


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
    typer.echo(f"The fleet serves; set CIMIENTO_GENERATION__URL=http://{host}:{port}")


@fleet_app.command("stop")
def stop(cluster: Cluster = "auto") -> None:
    """End the generation workers of the cluster; each ends what it has begun."""
    load_cli_settings()
    with errors_to_exit(), _connected(cluster):
        from app.fleet.on_ray.serving import stop_fleet

        stop_fleet()
    typer.echo("The fleet has ended")


@contextmanager
def _connected(cluster: str) -> Iterator[None]:
    # Late: few have the extra, and this says so where it is wanted.
    from app.fleet.extra import check_installed

    check_installed()
    from app.fleet.on_ray.cluster import connected

    with connected(cluster):
        yield
