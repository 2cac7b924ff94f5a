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
    from app.api.answer_schemas import AnswerOut


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
    from app.answers import StoredAnswer
    from app.api.answer_schemas import AnswerOut, encode_answer
    from app.asking import Asking, Question, default_options, narrow
    from app.recording import Recorder
    from core.access import Caller
    from generation.types import Delta

    owner = Caller.owner()
    with errors_to_exit(), open_services(settings, upgrade=False) as services:
        access = narrow(services.collections, owner.access, collections)
        options = default_options(settings.generation)
        asked = Question(
            text=question.strip(),
            asker=owner.name,
            access=access,
            collections=None if collections is None else tuple(collections),
            top_k=top_k or settings.retrieval.top_k,
            options=services.calibrations.applied(options, access),
            where=condition,
        )
        written = ""
        recorder = Recorder(Asking(services, asked), services.answers, encode_answer)
        for event in recorder.run(cancelled=lambda: False):
            if isinstance(event, Delta) and not as_json:
                written += event.text
                typer.echo(event.text, nl=False)
            if isinstance(event, StoredAnswer):
                full = AnswerOut.model_validate(event.response)
    if as_json:
        print_json(full.model_dump(mode="json"))
    else:
        _print_end(full, written)


def _print_end(full: "AnswerOut", written: str) -> None:
    typer.echo()
    if full.answer.strip() != written.strip():
        # what the answer came to differs from what was streamed, as a refusal does
        typer.echo(f"\n{full.answer}")
    for citation in full.citations:
        page = f", page {citation.page}" if citation.page else ""
        quote = " ".join(citation.quote.split())
        typer.echo(f"\n[{citation.n}] {citation.document_name}{page}\n    “{quote}”")
