"""`cimiento train`: make a model from a folder of text; teach one to read, and what is better.

The commands hand their arguments to the trainers' own parsers, which also run where there is no
typer: `python -m generation.training.base`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

train_app = typer.Typer(
    name="train", help="Make a model from a folder of text.", no_args_is_help=True
)

_PASS_ON: Final = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],  # the trainer's parser answers --help
}


@train_app.command("tokenizer", context_settings=_PASS_ON)
def tokenizer(context: typer.Context) -> None:
    """Train a byte-level BPE tokenizer; --help lists its options."""
    # Late: see app.cli.context.
    from generation.training.vocabulary import main

    raise typer.Exit(main(context.args, program="cimiento train tokenizer"))


@train_app.command("base", context_settings=_PASS_ON)
def base(context: typer.Context) -> None:
    """Train a small model from nothing; --help lists its options."""
    from generation.training.base import main

    raise typer.Exit(main(context.args, program="cimiento train base"))


@train_app.command("reader", context_settings=_PASS_ON)
def reader(context: typer.Context) -> None:
    """Teach a model to answer from passages and to refuse; --help lists the options."""
    from generation.training.reader.finetuning import main

    raise typer.Exit(
        main([*context.args, *_base_of(context.args)], program="cimiento train reader")
    )


@train_app.command("pairs")
def pairs(
    examples: Annotated[Path, typer.Option(help="JSON lines: question, passages, answer.")],
    out: Annotated[Path, typer.Option(help="File of pairs to write.")],
    samples: Annotated[int, typer.Option(min=2, max=16, help="Drafts for every question.")] = 6,
    temperature: Annotated[float, typer.Option(min=0.01, help="How different drafts are.")] = 0.7,
    seed: Annotated[int, typer.Option(min=0, help="Of the drafts.")] = 0,
) -> None:
    """Let the model draft, judge its drafts by the passages, and write pairs to learn from."""
    from app.cli.context import errors_to_exit, load_cli_settings
    from app.wiring import build_local_generator
    from generation.prompts import DEFAULT_PROMPT, load_prompt
    from generation.training.messages import print_line, run_command
    from generation.training.pairs.drafting import DraftCounts, draft_pairs
    from generation.training.reader.examples import ExampleCounts, read_examples
    from generation.types import Sampling

    settings = load_cli_settings()
    with errors_to_exit():
        generator = build_local_generator(settings)

    def draft() -> None:
        counts, drafted = ExampleCounts(), DraftCounts()
        known = read_examples(examples, counts)
        for note in counts.lines():
            print_line(note)
        sampling = Sampling(
            temperature=temperature,
            n=samples,
            seed=seed,
            max_tokens=settings.generation.max_tokens,
        )
        template = load_prompt(DEFAULT_PROMPT)
        # a line at a time: what was drafted before an interruption stays
        with out.open("w", encoding="utf-8") as stream:
            for line in draft_pairs(known, generator, template, sampling, drafted):
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")
                stream.flush()
        print_line(str(drafted))

    try:
        with errors_to_exit():
            code = run_command(draft)
    finally:
        generator.close()
    raise typer.Exit(code)


@train_app.command("preference", context_settings=_PASS_ON)
def preference(context: typer.Context) -> None:
    """Teach a model to prefer the better of two replies; --help lists the options."""
    from generation.training.pairs.preference import main

    raise typer.Exit(
        main([*context.args, *_base_of(context.args)], program="cimiento train preference")
    )


@train_app.command("reward", context_settings=_PASS_ON)
def reward(context: typer.Context) -> None:
    """Train a reward that tells the better of two replies; --help lists the options."""
    from generation.training.pairs.reward import main

    raise typer.Exit(
        main([*context.args, *_base_of(context.args)], program="cimiento train reward")
    )


@train_app.command("classifier", context_settings=_PASS_ON)
def classifier(context: typer.Context) -> None:
    """Train a classifier of documents or questions; --help lists the options."""
    from app.cli.context import errors_to_exit, load_cli_settings
    from app.wiring import build_embedder
    from generation.training.classifier.learning import main

    with errors_to_exit():
        code = main(
            context.args,
            lambda: build_embedder(load_cli_settings()),
            program="cimiento train classifier",
        )
    raise typer.Exit(code)


@train_app.command("embedder", context_settings=_PASS_ON)
def embedder(context: typer.Context) -> None:
    """Tune the embedding model on questions and their passages; --help lists the options."""
    from app.cli.context import errors_to_exit, load_cli_settings
    from app.finding_models import find_embedding_model
    from generation.training.embedder.learning import main
    from generation.training.embedder.preparing import EmbeddingModel

    with errors_to_exit():
        code = main(
            context.args,
            lambda: EmbeddingModel(*find_embedding_model(load_cli_settings())),
            program="cimiento train embedder",
        )
    raise typer.Exit(code)


@train_app.command("extractor", context_settings=_PASS_ON)
def extractor(context: typer.Context) -> None:
    """Train an extractor, which points at the words that answer; --help lists the options."""
    from app.cli.context import errors_to_exit, load_cli_settings
    from app.finding_models import find_embedding_model
    from generation.training.extractor.learning import main

    with errors_to_exit():
        code = main(
            context.args,
            lambda: find_embedding_model(load_cli_settings())[0],
            program="cimiento train extractor",
        )
    raise typer.Exit(code)


def _base_of(arguments: Sequence[str]) -> list[str]:
    """The model that the settings name, where none is named."""
    is_named = any(item == "--base" or item.startswith("--base=") for item in arguments)
    if is_named or "--help" in arguments or "-h" in arguments:
        return []
    from app.cli.context import errors_to_exit, load_cli_settings
    from app.finding_models import find_answer_model

    with errors_to_exit():
        _name, path = find_answer_model(load_cli_settings())
    return ["--base", str(path)]
