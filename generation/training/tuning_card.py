"""What the cards of every tuning share: how a run ended, its curves, how it was made, of what."""

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import torch

from core.durable import replace_text
from core.statistics import Interval
from generation.training.card import write_command
from generation.training.checkpoint import Best, RunState
from generation.training.journal import read_rows
from generation.training.plot import draw_losses, draw_metric
from generation.training.running import B, Ending, Folder, M, Work

J = TypeVar("J")

ENDINGS: Final = {
    Ending.WHOLE: "",
    Ending.INTERRUPTED: "\n\n**The run was interrupted before its end.**",
    Ending.STOPPED_EARLY: "\n\nThe run ended early: the development set gained nothing more.",
}


@dataclass(frozen=True, slots=True)
class TuningOutcome(Generic[J]):
    """How a run ended, and what was judged before and after it."""

    ending: Ending
    run: RunState
    best: Best
    before: J
    after: J


def write_curves(folder: Folder, *, unit: str, metric: str) -> None:
    """Draw the losses and the metric of a run beside its cards. unit: what a loss is of."""
    rows = list(read_rows(folder.journal))
    replace_text(folder.root / "loss.svg", draw_losses(rows, unit=unit))
    replace_text(folder.root / "metric.svg", draw_metric(rows, name=metric))


def write_cards(folder: Folder, sections: Sequence[str], data: str) -> None:
    """Write README.md, the card of what was learnt, and DATA.md, that of its data."""
    replace_text(folder.root / "README.md", "\n\n".join(sections) + "\n")
    replace_text(folder.root / "DATA.md", data + "\n")


def describe_tuning(work: Work[M, B], *, command: str, of: str) -> str:
    """How something was tuned, in what time, where, and the command that does it again.

    of: what the losses were of.
    """
    run = work.run
    return f"""## How it was made

{run.step:,} steps, {run.num_tokens:,} {of}, in {describe_time(run.elapsed_s)} on \
{_hardware(work.device)}; products in {str(work.dtype).removeprefix("torch.")}, torch \
{torch.__version__}, Python {platform.python_version()}. The weights are those after step \
{work.best.step:,}.

```sh
{write_command(work.options, f"cimiento {command}")}
```

`loss.csv` has every step, [DATA.md](DATA.md) what was learnt from. The folder `training` is only \
for going on with `--resume`."""


def describe_time(seconds: float) -> str:
    """A run's time as a person says it: heads learn in seconds, readers in hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def describe_data(
    folder: Folder,
    notes: Sequence[str],
    origins: Iterable[tuple[str, str, int]],
    *,
    of: str,
    warning: str,
) -> str:
    """What became of the data, whose it is, and what to mind.

    origins: name, licence and number. of: what is counted.
    """
    told = "\n".join(f"- {note}" for note in notes)
    table = "\n".join(f"| {name} | {licence} | {number:,} |" for name, licence, number in origins)
    return f"""# What {folder.root.resolve().name} learnt from

{told}

| source | licence | {of} |
|---|---|---|
{table}

{warning}"""


def spell_interval(figure: Interval) -> str:
    """A figure with its interval, as tables have it."""
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    number = torch.get_num_threads()
    threads = "thread" if number == 1 else "threads"
    return f"{number} {threads} of a CPU ({platform.machine()})"
