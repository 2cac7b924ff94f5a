"""Learn from pairs of replies, and write what was learnt with its cards: the story of both tasks.

Pairs become tokens once; what there is before is judged; steps follow one another; held-out pairs
choose the best weights, and end a run that gains nothing more.
"""

from core.durable import replace_file
from generation.training.messages import Report
from generation.training.pairs.cards import METRIC, Outcome, write_pair_cards
from generation.training.pairs.judging import M
from generation.training.pairs.options import PairOptions
from generation.training.pairs.preparing import PairTraining, Task, prepare
from generation.training.running import Folder, Watch, claim_folder, learn
from generation.training.tuning_card import write_curves


def learn_from_pairs(
    options: PairOptions, task: Task[M], *, report: Report, watch: Watch
) -> Outcome:
    """Train, or go on training, and write what was learnt to `options.out`.

    Raises OptionError, DataError, CheckpointError or DivergedError; what was saved before stays.
    """
    folder = Folder(options.out)
    claim_folder(folder, result=task.result, resume=options.resume)
    work = prepare(options, task, folder, report)
    before = work.judge()
    report(f"before: {before}")
    ending = learn(work, report, watch)
    outcome = Outcome(ending, work.run, work.best, before, work.judge())
    _write(work, outcome)
    report(f"after:  {outcome.after}")
    report(f"wrote {folder.root} after {work.run.step:,} steps; best at step {work.best.step:,}")
    return outcome


def _write(work: PairTraining[M], outcome: Outcome) -> None:
    """Curves, cards, and last the weights."""
    write_curves(work.folder, unit="pair", metric=METRIC)
    write_pair_cards(work, outcome)
    content = work.task.serialise(work.trainer.model, work.build_adapter())
    replace_file(work.folder.root / work.task.result, lambda stream: stream.write(content))
