"""`cimiento prompts`: templates, which one answers from a collection, and what each costs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import (
    AsJson,
    errors_to_exit,
    load_cli_settings,
    open_database,
    open_services,
    print_json,
)
from app.cli.doors import record
from app.cli.search import Collections, TopK

if TYPE_CHECKING:
    from app.activations import Activation
    from app.active_prompts import ActivePrompts
    from app.api.prompt_schemas import PreviewOut
    from app.comparing_prompts import PromptsCompared
    from app.evaluation.stored import Evaluations
    from app.people.audit import AuditLog
    from app.prompts import Prompts
    from core.ids import CollectionId
    from ingestion.collections import Collections as AllCollections

prompts_app = typer.Typer(
    name="prompts", help="Make, preview and activate prompt templates.", no_args_is_help=True
)

Collection = Annotated[
    str, typer.Option("--collection", "-c", help="The collection that is answered from.")
]
Prompt = Annotated[str, typer.Argument(metavar="PROMPT", help="name or name@version")]


@dataclass(frozen=True, slots=True)
class _Records:
    """What is kept of prompts, without any model."""

    prompts: "Prompts"
    active: "ActivePrompts"
    collections: "AllCollections"
    evaluations: "Evaluations"
    audit: "AuditLog"

    def collection_id(self, name: str) -> "CollectionId":
        from core.access import Access

        return self.collections.get(name, Access.to_everything()).id


@prompts_app.command("list")
def list_prompts(as_json: AsJson = False) -> None:
    """List every version of every template."""
    from app.api.prompt_schemas import PromptOut
    from core.access import Access

    with _open() as records:
        found = [PromptOut.of(each) for each in records.prompts.list(Access.to_everything())]
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    for each in found:
        made = f"{each.created_at:%Y-%m-%d}" if each.created_at else "built in  "
        typer.echo(f"{each.reference:<28} {made}  {each.description}")


@prompts_app.command("show")
def show(prompt: Prompt, as_json: AsJson = False) -> None:
    """Print a template as it was written."""
    from app.api.prompt_schemas import PromptWhole
    from core.access import Access

    with _open() as records:
        stored = records.prompts.get(prompt, Access.to_everything())
    if as_json:
        print_json(PromptWhole.of_whole(stored).model_dump(mode="json"))
    else:
        typer.echo(stored.source, nl=False)


@prompts_app.command("create")
def create(
    file: Annotated[Path, typer.Argument(help="The template as YAML; - reads standard input.")],
    as_json: AsJson = False,
) -> None:
    """Keep a template as the next version of its name. What is kept is never changed."""
    from app.api.prompt_schemas import PromptWhole
    from core.access import Caller

    source = _read(file)
    with _open() as records:
        stored, is_new = records.prompts.create(source, Caller.owner())
        if is_new:
            record(records.audit, "prompt.created", target=stored.template.reference)
    if as_json:
        print_json(PromptWhole.of_whole(stored).model_dump(mode="json"))
        return
    note = "" if is_new else " says the same already"
    typer.echo(f"{stored.template.reference}{note}")


@prompts_app.command("preview")
def preview(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="name, name@version or a file")],
    question: Annotated[str, typer.Argument()],
    collections: Collections = None,
    top_k: TopK = None,
    as_json: AsJson = False,
) -> None:
    """Print what the model would read for a question, with real passages, and what it costs."""
    if not question.strip():
        raise typer.BadParameter("the question is empty")
    settings = load_cli_settings()
    # Late: see app.cli.context.
    from app.api.prompt_schemas import PreviewOut
    from app.asking import narrow, options_for
    from app.previewing import Previewed
    from app.previewing import preview as build_preview
    from core.access import Caller
    from generation.prompts import read_template

    owner = Caller.owner()
    is_file = prompt.endswith((".yaml", ".yml"))
    source = _read(Path(prompt)) if is_file else ""
    with errors_to_exit():
        # before the models: a fault is told at once
        template = read_template(source, version=1) if is_file else None
        with open_services(settings, upgrade=False) as services:
            access = narrow(services.collections, owner.access, collections)
            options = options_for(
                services, access, caller=owner, prompt=None if is_file else prompt
            )
            if template is not None:
                options = options.with_prompt(template)
            asked = Previewed(question.strip(), access, top_k or settings.retrieval.top_k)
            shown = PreviewOut.of(build_preview(services, asked, options))
    if as_json:
        print_json(shown.model_dump(mode="json"))
    else:
        _print_preview(shown)


@prompts_app.command("activate")
def activate(prompt: Prompt, collection: Collection = "default", as_json: AsJson = False) -> None:
    """Let a prompt answer from a collection from now on, in the version that it has now."""
    from core.access import Caller

    with _open() as records:
        done = records.active.activate(records.collection_id(collection), prompt, Caller.owner())
        record(records.audit, "prompt.activated", target=done.reference, collection=collection)
    _print_activation(done, collection, as_json=as_json)


@prompts_app.command("rollback")
def roll_back(collection: Collection = "default", as_json: AsJson = False) -> None:
    """Go back to the prompt that was active before; again, to the one before that."""
    from core.access import Caller

    with _open() as records:
        done = records.active.roll_back(records.collection_id(collection), Caller.owner())
        record(records.audit, "prompt.rolled_back", target=done.reference, collection=collection)
    _print_activation(done, collection, as_json=as_json)


@prompts_app.command("history")
def history(collection: Collection = "default", as_json: AsJson = False) -> None:
    """List which prompts answered from a collection, the newest, which counts, first."""
    from app.api.prompt_schemas import ActivePromptOut

    with _open() as records:
        shown = ActivePromptOut.of(records.active.history(records.collection_id(collection)))
    if as_json:
        print_json(shown.model_dump(mode="json"))
        return
    for each in shown.history:
        note = "  rolled back" if each.rolled_back else ""
        typer.echo(f"{each.created_at:%Y-%m-%d %H:%M}  {each.prompt}{note}")
    if not shown.history:
        typer.echo(f"{shown.prompt}, as everywhere: none was activated")


@prompts_app.command("compare")
def compare(
    before: Prompt,
    after: Prompt,
    reports: Annotated[
        list[Path] | None,
        typer.Option("--report", help="report.json of an evaluation; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what differs between two templates, and between evaluations of them."""
    from app.api.prompt_schemas import PromptsComparedOut
    from app.comparing_prompts import PromptRun, compare_prompts, stored_runs
    from app.evaluation.reports import load_report
    from core.access import Access, Caller

    with _open() as records:
        one, other = (records.prompts.get(each, Access.to_everything()) for each in (before, after))
        runs = [PromptRun(str(path), load_report(path)) for path in reports or ()]
        runs += stored_runs(records.evaluations, Caller.owner(), (one, other))
        found = compare_prompts(one, other, runs)
    if as_json:
        print_json(PromptsComparedOut.of(found).model_dump(mode="json"))
    else:
        _print_compared(found)


@contextmanager
def _open() -> Iterator[_Records]:
    settings = load_cli_settings()
    # Late: see app.cli.context.
    from app.active_prompts import ActivePrompts
    from app.evaluation.stored import Evaluations
    from app.people.audit import AuditLog
    from app.people.later import LaterWrites
    from app.prompts import Prompts
    from app.wiring import build_store
    from ingestion.collections import Collections as AllCollections

    with open_database(settings) as database:
        prompts = Prompts(database)
        collections = AllCollections(build_store(settings, database))
        active = ActivePrompts(database, prompts)
        audit = AuditLog(database, LaterWrites(database))
        yield _Records(prompts, active, collections, Evaluations(database), audit)


def _read(file: Path) -> str:
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{file} is not UTF-8 text") from error


def _print_activation(done: "Activation", collection: str, *, as_json: bool) -> None:
    from app.api.prompt_schemas import ActivationOut

    shown = ActivationOut.of(done)
    if as_json:
        print_json(shown.model_dump(mode="json"))
    else:
        typer.echo(f"{shown.prompt} answers from {collection}")


def _print_preview(shown: "PreviewOut") -> None:
    for message in shown.messages:
        typer.echo(f"--- {message.role}\n{message.content}")
    typer.echo("---")
    for part, count in shown.tokens.model_dump().items():
        typer.echo(f"{part:<20} {count:6d} tokens")
    typer.echo(f"{'prompt':<20} {shown.prompt_tokens:6d}")
    typer.echo(f"{'answer, at most':<20} {shown.answer_tokens:6d}")
    typer.echo(f"{'window':<20} {shown.window:6d}")
    if shown.left_out or shown.examples_left_out:
        num_examples = len(shown.examples_left_out)
        typer.echo(f"left out: {len(shown.left_out)} passages, {num_examples} examples")
    if not shown.fits:
        typer.echo("the prompt does not fit the window: nothing can be asked", err=True)


def _print_compared(found: "PromptsCompared") -> None:
    from app.cli.evaluate import print_comparison

    for line in found.changes:
        typer.echo(line)
    if found.scores is None:
        typer.echo("\nno two evaluations of them have a question in common")
        return
    typer.echo(f"\n{found.scores.before} -> {found.scores.after}")
    print_comparison(found.scores.comparison)
    if found.scores.also_changed:
        typer.echo(f"also different: {', '.join(found.scores.also_changed)}", err=True)
