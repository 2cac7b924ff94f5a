"""`cimiento search`: passages, without an answer."""

import json
from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from app.cli.context import (
    AsJson,
    errors_to_exit,
    load_cli_settings,
    open_services,
    print_json,
)
from app.cli.options import takes_options

Collections = Annotated[
    list[str] | None,
    typer.Option("--collection", "-c", help="Only in this collection; may be repeated."),
]
TopK = Annotated[int | None, typer.Option("--top-k", min=1, max=50, help="How many passages.")]
Filter = Annotated[
    str | None,
    typer.Option("--filter", help="Only these documents: a condition as JSON, as over HTTP."),
]
_SHOWN_CHARS = 300


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search, beyond what `ask` takes too."""

    mode: Annotated[
        Literal["hybrid", "dense", "lexical"],
        typer.Option("--mode", help="By what to find: meaning, words, or both."),
    ] = "hybrid"
    rerank: Annotated[
        bool | None,
        typer.Option(
            "--rerank/--no-rerank",
            help="Have the reranker read what was found; by default where one is set.",
        ),
    ] = None
    keep_duplicates: Annotated[
        bool,
        typer.Option(
            "--keep-duplicates", help="Show passages too that say nothing new after a better one."
        ),
    ] = False
    diversity: Annotated[
        float,
        typer.Option(
            "--diversity", min=0, max=1, help="How much unlikeness counts against relevance."
        ),
    ] = 0.0
    merge: Annotated[
        bool, typer.Option("--merge", help="Join passages side by side in one section.")
    ] = False
    neighbours: Annotated[
        int,
        typer.Option(
            "--neighbours", min=0, max=5, help="Chunks of its section to put around each passage."
        ),
    ] = 0
    split: Annotated[
        bool,
        typer.Option("--split", help="Search the parts of a question that asks several things."),
    ] = False


@takes_options(SearchOptions)
def search(
    query: Annotated[str, typer.Argument()],
    options: SearchOptions,
    collections: Collections = None,
    top_k: TopK = None,
    where: Filter = None,
    as_json: AsJson = False,
) -> None:
    """Find the passages nearest to a query, in meaning and in words."""
    if not query.strip():
        raise typer.BadParameter("the query is empty")
    condition = read_filter(where)
    settings = load_cli_settings()
    # Late: see app.cli.context.
    from app.api.schemas import PassageOut
    from app.asking import narrow, place_passages
    from core.access import Access
    from retrieval.types import Mode, Refining

    with errors_to_exit(), open_services(settings, upgrade=False) as services:
        access = narrow(services.collections, Access.to_everything(), collections)
        found = services.retriever.retrieve(
            query.strip(),
            access=access,
            top_k=top_k or settings.retrieval.top_k,
            mode=Mode(options.mode),
            where=condition,
            refining=Refining(
                rerank=options.rerank,
                keep_duplicates=options.keep_duplicates,
                diversity=options.diversity,
                merge=options.merge,
                neighbours=options.neighbours,
                split=options.split,
            ),
        )
        placed = place_passages(services.documents, found, access)
    if as_json:
        shown = [PassageOut.of(item.passage, item.boxes) for item in placed]
        print_json([passage.model_dump(mode="json") for passage in shown])
        return
    if not found:
        typer.echo("nothing was found")
    for passage in found:
        page = f", page {passage.page}" if passage.page else ""
        typer.echo(f"{passage.score:.3f}  {passage.document_name}{page}")
        typer.echo(f"       {' '.join(passage.text.split())[:_SHOWN_CHARS]}\n")


def read_filter(given: str | None) -> object:
    """The JSON of `--filter`; text that is none is wrong usage."""
    try:
        return None if given is None else json.loads(given)
    except ValueError as error:
        raise typer.BadParameter(f"the filter is not JSON: {error}") from error
