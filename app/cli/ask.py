"""`cimiento ask`: an answer as it is written, then the places it comes from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import (
    AsJson,
    errors_to_exit,
    load_cli_settings,
    open_services,
    print_json,
)
from app.cli.options import PromptName, takes_options
from app.cli.search import Collections, Filter, TopK, read_filter

if TYPE_CHECKING:
    from app.api.answer_schemas import AnswerOut


@dataclass(frozen=True, slots=True)
class AskOptions:
    """How the answer is written and checked."""

    prompt: PromptName = None
    samples: Annotated[
        int | None,
        typer.Option("--samples", min=1, help="Drafts to write, of which a reward picks one."),
    ] = None
    likelihood: Annotated[
        bool | None,
        typer.Option(
            "--likelihood/--no-likelihood",
            help="Say how much less likely each sentence is without its source.",
        ),
    ] = None


@takes_options(AskOptions)
def ask(
    question: Annotated[str, typer.Argument()],
    options: AskOptions,
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
    from app.asking import Asking, Question, narrow, options_for
    from app.recording import Recorder
    from app.sampling import choose_sampling
    from core.access import Caller
    from generation.types import Delta

    owner = Caller.owner()
    sampling = {} if options.samples is None else {"n": options.samples}
    with errors_to_exit():
        # before anything is loaded
        choose_sampling(settings.generation, sampling)
    with errors_to_exit(), open_services(settings, upgrade=False) as services:
        access = narrow(services.collections, owner.access, collections)
        asked = Question(
            text=question.strip(),
            asker=owner.name,
            access=access,
            collections=None if collections is None else tuple(collections),
            top_k=top_k or settings.retrieval.top_k,
            options=options_for(
                services,
                access,
                caller=owner,
                prompt=options.prompt,
                sampling=sampling,
                likelihood=options.likelihood,
            ),
            where=condition,
        )
        written = ""
        recorder = Recorder(
            Asking(services, asked), services.answers, services.doors.usage, encode_answer
        )
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
    if full.reasoning:
        # apart from the answer, which alone goes to standard output
        typer.echo(f"\n{full.reasoning}", err=True)
    if full.finish_reason == "length":
        cut = "cut at CIMIENTO_GENERATION__MAX_TOKENS; what that left of a sentence is not shown"
        typer.echo(f"\n{cut}", err=True)
    for citation in full.citations:
        page = f", page {citation.page}" if citation.page else ""
        quote = " ".join(citation.quote.split())
        weight = _weight(full, citation.n)
        typer.echo(f"\n[{citation.n}] {citation.document_name}{page}{weight}\n    “{quote}”")
    samples = full.receipt.samples
    if samples is not None:
        won = "none: the quote" if samples.winner is None else f"number {samples.winner + 1}"
        typer.echo(f"\nof {len(samples.drafts)} drafts {won}", err=True)


def _weight(full: "AnswerOut", number: int) -> str:
    drops = [each.likelihood_drop for each in full.sentences if number in each.citations]
    told = [drop for drop in drops if drop is not None]
    return f", {max(told):+.1f} nats" if told else ""
