"""The command line. Imports nothing heavy: commands fetch what they need when they run."""

import typer

from app.cli.adapters import adapters_app
from app.cli.add import add
from app.cli.ask import ask
from app.cli.audit import audit_app
from app.cli.backup import backup, backups, restore
from app.cli.calibrate import calibrate
from app.cli.db import db_app
from app.cli.doctor import doctor
from app.cli.evaluate import eval_app
from app.cli.examples import examples_app
from app.cli.feedback import feedback_app
from app.cli.fleet import fleet_app
from app.cli.generate import generate
from app.cli.index import index_app
from app.cli.jobs import jobs_app
from app.cli.keys import keys_app
from app.cli.labels import labels_app
from app.cli.map import draw_map
from app.cli.mcp import mcp
from app.cli.models import models_app
from app.cli.people import people_app
from app.cli.prompts import prompts_app
from app.cli.replay import replay
from app.cli.search import search
from app.cli.serve import serve
from app.cli.sign_in import sign_in
from app.cli.train import train_app
from app.cli.verify import verify
from app.cli.worker import worker_app
from core.settings import tame_idle_threads

tame_idle_threads()

main = typer.Typer(
    name="cimiento",
    help="Answers from your own documents, with the exact place every sentence comes from.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (
    serve,
    add,
    search,
    ask,
    replay,
    generate,
    verify,
    doctor,
    backup,
    backups,
    restore,
    calibrate,
    mcp,
):
    main.command()(command)
main.command("sign-in")(sign_in)
main.command("map")(draw_map)
for group in (
    models_app,
    adapters_app,
    labels_app,
    db_app,
    keys_app,
    people_app,
    audit_app,
    jobs_app,
    worker_app,
    fleet_app,
    train_app,
    index_app,
    feedback_app,
    prompts_app,
    examples_app,
    eval_app,
):
    main.add_typer(group)
