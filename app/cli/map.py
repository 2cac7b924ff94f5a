"""`cimiento map`: what a collection is about, in named clusters or as a picture. Needs no model."""

import os
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from app.cli.context import AsJson, errors_to_exit, load_cli_settings, print_json
from retrieval.map.options import MAX_CLUSTERS, MAX_POINTS, MAX_SEED, MapOptions

Out = Annotated[
    Path | None, typer.Option("--out", "-o", dir_okay=False, help="Write a picture (SVG) here.")
]
MaxPoints = Annotated[
    int, typer.Option("--max-points", min=1, max=MAX_POINTS, help="Draw at most so many chunks.")
]
NumClusters = Annotated[
    int | None, typer.Option("--clusters", min=1, max=MAX_CLUSTERS, help="So many clusters.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=MAX_SEED, help="Draws another map.")]


def draw_map(
    collection: Annotated[str, typer.Argument()] = "default",
    out: Out = None,
    max_points: MaxPoints = MAX_POINTS,
    clusters: NumClusters = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Show what a collection is about: its chunks in named clusters, near where they are alike."""
    settings = load_cli_settings()
    # Late: see app.cli.context.
    import migrations
    from app.api.maps import MapOut
    from app.files import write_text
    from app.wiring import build_database, build_mapper, build_store
    from core.access import Access
    from ingestion.collections import Collections
    from retrieval.map.picture import draw_svg

    with errors_to_exit(), closing(build_database(settings)) as database:
        migrations.check(database)
        found = Collections(build_store(settings, database)).get(collection, Access.to_everything())
        mapper = build_mapper(database, num_threads=os.cpu_count())
        drawn = mapper.draw(found.id, MapOptions(max_points, clusters, seed))
        if out is not None:
            write_text(out, draw_svg(drawn, title=collection))
    if as_json:
        print_json(MapOut.of(drawn, collection).model_dump(mode="json"))
        return
    for cluster in drawn.clusters:
        typer.echo(f"{cluster.num_points:6}  {', '.join(cluster.terms) or '(no words)'}")
    shown = f" of {drawn.num_chunks}" if len(drawn.chunk_ids) < drawn.num_chunks else ""
    typer.echo(f"{len(drawn.chunk_ids)}{shown} chunks in {len(drawn.clusters)} clusters")
