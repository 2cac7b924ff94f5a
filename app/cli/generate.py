"""`cimiento generate`: text from a model in this process, as it is written."""

import sys
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from app.cli.context import FAILED, AsJson, errors_to_exit, load_cli_settings, print_json

if TYPE_CHECKING:
    from generation.completion import Reader

_STDIN: Final = "-"

Model = Annotated[
    str | None,
    typer.Option(help="A model's name, or the path of a GGUF file or a folder of weights."),
]


def generate(
    prompt: Annotated[str, typer.Argument(help="What to say; '-' reads standard input.")],
    model: Model = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest text, in tokens.")] = 256,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest token.")] = 0.0,
    raw: Annotated[
        bool, typer.Option("--raw", help="Continue the prompt as it is, without a chat template.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write text with a model in this process; needs no documents and no service."""
    settings = load_cli_settings()
    text = sys.stdin.read() if prompt == _STDIN else prompt
    if not text.strip():
        raise typer.BadParameter("the prompt is empty")
    # Late: see app.cli.context.
    from app.wiring import build_local_generator
    from generation.completion import CompletionRequest, Reader
    from generation.engine.errors import EngineError
    from generation.engine.params import SamplingParams
    from generation.types import Message

    asked = CompletionRequest(
        prompt=text if raw else [Message("user", text)],
        params=SamplingParams(temperature=temperature),
        max_tokens=max_tokens,
    )
    with errors_to_exit():
        generator = build_local_generator(settings, model)
        try:
            generator.load()
            started_s = time.perf_counter()
            written = _write(Reader(generator.completer, asked), shows=not as_json)
        except (EngineError, OSError) as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(FAILED) from error
        finally:
            generator.close()
    if as_json:
        seconds = round(time.perf_counter() - started_s, 3)
        print_json({"model": generator.model, **written, "seconds": seconds})


def _write(reader: "Reader", *, shows: bool) -> dict[str, object]:
    """Read to the end; the text, why it ended and what it cost."""
    from generation.errors import GenerationFailedError
    from generation.sample_text import Piece

    text, reason = "", None
    for event in reader.events(lambda: False):
        if isinstance(event, Piece):
            text += event.text
            if shows:
                typer.echo(event.text, nl=False)
        else:
            reason = event.reason.value
            if event.error is not None:
                raise GenerationFailedError(f"the engine failed: {event.error}")
    if shows:
        typer.echo()
    usage = reader.usage
    return {
        "text": text,
        "finish_reason": reason,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }
