"""`cimiento adapters`: what fine-tuning made, and which of it answers from a collection."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from app.cli.context import AsJson, load_cli_settings, open_database, print_json
from app.cli.doors import record
from app.cli.prompts import Collection

if TYPE_CHECKING:
    from app.activations import Activation
    from app.adapters import Adapters, NewAdapter
    from app.people.audit import AuditLog
    from core.ids import CollectionId
    from core.settings import Settings
    from generation.types import Style
    from ingestion.collections import Collections as AllCollections

adapters_app = typer.Typer(
    name="adapters",
    help="Keep adapters of the answering model, and choose one for a collection.",
    no_args_is_help=True,
)

_NAME: Final = re.compile(r"[a-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class _Records:
    """What is kept of adapters, without any model."""

    settings: "Settings"
    adapters: "Adapters"
    collections: "AllCollections"
    audit: "AuditLog"

    def collection_id(self, name: str) -> "CollectionId":
        from core.access import Access

        return self.collections.get(name, Access.to_everything()).id


@adapters_app.command("list")
def list_adapters(as_json: AsJson = False) -> None:
    """List every version of every adapter, and the prompt that each learnt."""
    from app.api.adapters import AdapterOut
    from core.access import Access

    with _open() as records:
        found = records.adapters.list(Access.to_everything())
    if as_json:
        print_json([AdapterOut.of(each).model_dump(mode="json") for each in found])
        return
    for each in found:
        typer.echo(
            f"{each.reference:<28} {each.created_at:%Y-%m-%d}  {each.num_bytes / 1e6:6.1f} MB  "
            f"{each.style or 'any style':<9}  {each.prompt}"
        )


@adapters_app.command("add")
def add(
    file: Annotated[Path, typer.Argument(help="What training wrote, or a built-in name: reader.")],
    name: Annotated[
        str | None,
        typer.Option(help="Small letters, digits, _ and -; by default that of its folder."),
    ] = None,
    style: Annotated[
        Literal["draft", "quote", "read"] | None,
        typer.Option(help="How answers are written with it; by default as the settings say."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Keep an adapter as the next version of its name; collections choose it with 'activate'."""
    from app.api.adapters import AdapterOut
    from core.access import Caller
    from generation.weights import find_adapter

    path = find_adapter(file)
    chosen = name or path.resolve().parent.name
    if not _NAME.fullmatch(chosen):
        raise typer.BadParameter(f"{chosen!r} is no name for an adapter; give one with --name")
    with _open() as records:
        new = _read(records.settings, path, style)
        stored, is_new = records.adapters.add(chosen, new, Caller.owner())
        if is_new:
            record(records.audit, "adapter.added", target=stored.reference)
    if as_json:
        print_json(AdapterOut.of(stored).model_dump(mode="json"))
        return
    typer.echo(f"{stored.reference}{'' if is_new else ' is the same already'}")


@adapters_app.command("remove")
def remove(
    adapter: Annotated[str, typer.Argument(metavar="ADAPTER", help="name@version")],
) -> None:
    """Remove a version, and its file. Its number is not given again, so that receipts stay true."""
    if "@" not in adapter:
        raise typer.BadParameter("say which version: name@version")
    with _open() as records:
        removed = records.adapters.remove(adapter)
        record(records.audit, "adapter.removed", target=removed.reference)
    typer.echo(f"removed {removed.reference}")


@adapters_app.command("activate")
def activate(
    adapter: Annotated[
        str, typer.Argument(metavar="ADAPTER", help="name or name@version; none takes it away")
    ],
    collection: Collection = "default",
    as_json: AsJson = False,
) -> None:
    """Let an adapter answer from a collection from now on, in the version that it has now."""
    from core.access import Caller

    wanted = None if adapter == "none" else adapter
    with _open() as records:
        collection_id = records.collection_id(collection)
        done = records.adapters.activate(collection_id, wanted, Caller.owner())
        record(records.audit, "adapter.activated", target=done.reference, collection=collection)
    _print_activation(done, collection, as_json=as_json)


@adapters_app.command("rollback")
def roll_back(collection: Collection = "default", as_json: AsJson = False) -> None:
    """Go back to the adapter that was active before; again, to the one before that."""
    from core.access import Caller

    with _open() as records:
        done = records.adapters.roll_back(records.collection_id(collection), Caller.owner())
        record(records.audit, "adapter.rolled_back", target=done.reference, collection=collection)
    _print_activation(done, collection, as_json=as_json)


@adapters_app.command("history")
def history(collection: Collection = "default", as_json: AsJson = False) -> None:
    """List which adapters answered from a collection, the newest, which counts, first."""
    from app.api.adapters import ActiveAdapterOut

    with _open() as records:
        shown = ActiveAdapterOut.of(records.adapters.history(records.collection_id(collection)))
    if as_json:
        print_json(shown.model_dump(mode="json"))
        return
    for each in shown.history:
        note = "  rolled back" if each.rolled_back else ""
        typer.echo(f"{each.created_at:%Y-%m-%d %H:%M}  {each.adapter or 'none'}{note}")
    if not shown.history:
        typer.echo("none, as everywhere: none was activated")


@contextmanager
def _open() -> Iterator[_Records]:
    settings = load_cli_settings()
    # Late: see app.cli.context.
    from app.adapters import Adapters
    from app.people.audit import AuditLog
    from app.people.later import LaterWrites
    from app.wiring import build_store
    from ingestion.collections import Collections as AllCollections

    with open_database(settings) as database:
        yield _Records(
            settings,
            Adapters.below(settings.data_dir, database),
            AllCollections(build_store(settings, database)),
            AuditLog(database, LaterWrites(database)),
        )


def _read(settings: "Settings", path: Path, style: "Style | None") -> "NewAdapter":
    """Check a file before it is kept: what is wrong is better told now than to whoever asks."""
    # Late: see app.cli.context.
    from app.adapters import NewAdapter
    from app.finding_models import find_answer_model
    from generation.engine.adapters import load_adapter
    from generation.engine.errors import WeightsFileError
    from generation.errors import AdapterUnusableError
    from generation.local_model import hash_weights

    try:
        found = load_adapter(path)
    except WeightsFileError as error:
        raise AdapterUnusableError(str(error)) from error
    if settings.generation.url is None:
        model, weights = find_answer_model(settings)
        sha256 = hash_weights(weights)
        if found.base_sha256 != sha256:
            raise AdapterUnusableError(
                f"{path} was trained on other weights than {model} (SHA-256 "
                f"{found.base_sha256[:12]}, not {sha256[:12]}); name its model in "
                "CIMIENTO_MODELS__ANSWER, or train it again"
            )
    return NewAdapter(path, found.base_sha256, found.prompt, style)


def _print_activation(done: "Activation", collection: str, *, as_json: bool) -> None:
    from app.api.adapters import AdapterActivationOut

    if as_json:
        print_json(AdapterActivationOut.of(done).model_dump(mode="json"))
    elif done.reference is None:
        typer.echo(f"{collection} is answered from without an adapter of its own")
    else:
        typer.echo(f"{done.reference} answers from {collection}")
