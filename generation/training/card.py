"""The model's card: what it is, what it learnt from, how good it is, and how it was made."""

import platform
import shlex
from dataclasses import dataclass

import torch

from core.durable import replace_text
from generation.training.checkpoint import RunState
from generation.training.options import flag
from generation.training.pretraining import Pretraining
from generation.training.running import RunOptions


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. Losses are nats per token over all held-out documents."""

    run: RunState
    is_whole: bool  # False: interrupted before its end
    validation_loss: float
    bits_per_byte: float
    baseline_loss: float  # of token frequencies alone


def write_card(work: Pretraining, outcome: Outcome) -> None:
    """Write README.md into the model's folder."""
    sections = (
        _describe_model(work, outcome),
        _describe_quality(work, outcome),
        _describe_data(work),
        _describe_making(work, outcome),
    )
    replace_text(work.folder.root / "README.md", "\n\n".join(sections) + "\n")


def _describe_model(work: Pretraining, outcome: Outcome) -> str:
    config = work.trainer.model.config
    num_parameters = sum(p.numel() for p in work.trainer.model.parameters())
    unfinished = "" if outcome.is_whole else "\n\n**The run was interrupted before its end.**"
    return f"""# {work.folder.root.resolve().name}

A base model: it continues text. It was not taught to follow instructions or to refuse.{unfinished}

| | |
|---|---|
| architecture | Llama (`LlamaForCausalLM`), {config.num_layers} layers, width {config.d_model}, \
{config.num_heads} query and {config.num_kv_heads} key/value heads, feed-forward {config.d_ff} |
| parameters | {num_parameters:,}, embeddings tied |
| vocabulary | {config.vocab_size:,} byte-level tokens |
| context | {config.max_positions:,} tokens |
| weights | {str(work.dtype).removeprefix("torch.")} |"""


def _describe_quality(work: Pretraining, outcome: Outcome) -> str:
    return f"""## Quality

On {work.validation.num_documents:,} held-out documents ({work.validation.num_targets:,} tokens, \
{work.validation.num_bytes:,} bytes), which the weights never saw. The tokenizer may have.

| measure | value |
|---|---|
| loss | {outcome.validation_loss:.4f} nats per token |
| bits per byte | {outcome.bits_per_byte:.4f} |
| loss of token frequencies alone | {outcome.baseline_loss:.4f} nats per token |

![loss over the steps](loss.svg)"""


def _describe_data(work: Pretraining) -> str:
    notes = "\n".join(f"- {note}" for note in work.store.notes)
    return f"""## Data

{notes}
- {work.store.num_documents - work.validation.num_documents:,} documents were learnt from: \
{work.windows.num_targets:,} tokens

The rules of cleaning and de-duplication are those of `generation/training/`. The model may repeat \
what its texts say, personal data included; whoever may not read them should not use it. Their \
licences apply to it."""


def _describe_making(work: Pretraining, outcome: Outcome) -> str:
    run = outcome.run
    rounds = run.num_tokens / work.windows.num_targets
    return f"""## How it was made

{run.step:,} steps, {run.num_tokens:,} tokens ({rounds:.1f} times through the data) in \
{run.elapsed_s / 60:.1f} minutes on {work.device.type}; products in \
{str(work.dtype).removeprefix("torch.")}, torch {torch.__version__}, \
Python {platform.python_version()}.

```sh
{write_command(work.options)}
```

`loss.csv` has every step. The folder `training` is only for going on with `--resume`: without it \
the model is whole."""


def write_command(options: RunOptions, program: str = "cimiento train base") -> str:
    """The command that makes this run again."""
    parts = [program]
    for name, value in options.to_json().items():
        if value is True and name != "resume":
            parts.append(flag(name))
        elif value is not None and not isinstance(value, bool):
            parts.append(f"{flag(name)} {shlex.quote(str(value))}")
    return " \\\n  ".join(parts)
