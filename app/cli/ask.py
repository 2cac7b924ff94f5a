"""`cimiento ask`: an answer as it is written, then the places it comes from."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import (
    AsJson,
    errors_to_exit,
    load_cli_settings,
    open_services,
    print_json,
)
from app.cli.search import Collections, Filter, TopK, read_filter

if TYPE_CHECKING:
    from app.asking import FullAnswer


def ask(
    question: Annotated[str, typer.Argument()],
    collections: Collections = None,
    top_k: TopK = None,
    where: Filter = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question from the documents. A refusal is an answer too: exit code 0."""
    if not question.strip():
        raise typer.BadParameter("the question is empty")
    condition = read_filter(where)
    settings = load_cli_settings()
    # Late: see app.cli.context.
    from app.api.answer_schemas import AnswerOut
    from app.asking import FullAnswer, Question, default_options, narrow
    from app.asking import ask as ask_services
    from core.access import Access
    from generation.types import Delta

    with errors_to_exit(), open_services(settings, upgrade=False) as services:
        asked = Question(
            text=question.strip(),
            access=narrow(services.collections, Access.to_everything(), collections),
            top_k=top_k or settings.retrieval.top_k,
            options=default_options(settings.generation),
            where=condition,
        )
        written = ""
        for event in ask_services(services, asked, cancelled=lambda: False):
            if isinstance(event, Delta) and not as_json:
                written += event.text
                typer.echo(event.text, nl=False)
            if isinstance(event, FullAnswer):
                full = event
    if as_json:
        print_json(AnswerOut.of(full).model_dump(mode="json"))
    else:
        _print_end(full, written)


def _print_end(full: "FullAnswer", written: str) -> None:
    typer.echo()
    if full.answer.text.strip() != written.strip():
        # what the answer came to differs from what was streamed, as a refusal does
        typer.echo(f"\n{full.answer.text}")
    for placed in full.citations:
        citation = placed.citation
        page = f", page {citation.page}" if citation.page else ""
        quote = " ".join(citation.quote.split())
        typer.echo(f"\n[{citation.n}] {citation.passage.document_name}{page}\n    “{quote}”")
