"""`cimiento labels`: what documents are labelled as."""

from dataclasses import asdict

import typer

from app.cli.context import AsJson, errors_to_exit, load_cli_settings, open_database, print_json
from app.cli.search import Collections

labels_app = typer.Typer(
    name="labels", help="What documents are labelled as.", no_args_is_help=True
)


@labels_app.callback()
def labels() -> None:
    """What documents are labelled as."""


@labels_app.command("apply")
def apply(collections: Collections = None, as_json: AsJson = False) -> None:
    """Let the classifier of the settings label the documents that were there before it."""
    settings = load_cli_settings()
    # Late: see app.cli.context.
    from app.asking import narrow
    from app.classifying import load_classifiers
    from app.wiring import build_store
    from core.access import Access
    from ingestion.collections import Collections as AllCollections
    from ingestion.labelling import label_documents

    with errors_to_exit():
        classifiers = load_classifiers(settings)
    if not classifiers:
        raise typer.BadParameter("CIMIENTO_INGESTION__CLASSIFIER names no classifier")
    with open_database(settings) as database:
        everything = Access.to_everything()
        known = AllCollections(build_store(settings, database))
        done = label_documents(database, classifiers, narrow(known, everything, collections))
    if as_json:
        print_json(asdict(done))
    else:
        typer.echo(f"{done.num_sure} of {done.num_documents} documents have a label")
