"""What an organisation larger than this machine would need: queues and caches, simulated.

    python -m benchmarks.simulate [--measured FILE] [--quick] [--json FILE]

Nothing is measured here. Figures of one machine (`Measured`; another's by `--measured`, a JSON
object with the same names) are fed into queues as events: people ask at random moments of the
busiest hour, an API process computes on one core, generation workers write many answers at once.
For each size the least number of cores and workers is found that keeps the promises below.
docs/scaling.md reads the tables and says what is assumed. What a card does has not been measured.
"""

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final, Self

import numpy as np

from benchmarks.queueing import (
    Engine,
    Floats,
    Wanted,
    batch,
    count_hits,
    draw_arrivals,
    draw_zipf,
    serve,
)
from benchmarks.report import build_manifest, report

SEED: Final = 20_261_128
PEOPLE: Final = (100, 1_000, 10_000)
CHUNKS: Final = (1_000_000, 10_000_000, 100_000_000)
# what must hold in the busiest hour, at the 95th percentile
MAX_WAIT_S: Final = 1.0  # for a core of an API process
MAX_FIRST_TOKEN_S: Final = 4.0  # of a written answer, from when it is asked for
# what people do: to be replaced by what an organisation knows of itself
QUESTIONS_A_DAY: Final = 6
SEARCHES_A_DAY: Final = 6
WORKDAY_S: Final = 8 * 3600
PEAK: Final = 3.0  # busiest hour over the mean of a workday
_SPREAD: Final = 0.3  # of the work of a question, as a share of its mean
_MOST: Final = 4096
_DISTINCT: Final = 200_000  # questions that anybody asks
_EXPONENT: Final = 0.8  # of how often each is asked
_REMEMBERED: Final = 4096  # vectors of questions that a process keeps

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of one machine: two cores of an AMD EPYC with AVX512-BF16. benchmarks/LOG.md."""

    answer_core_s: float = 0.34  # quotes: 20 people who ask without a pause got 5.9 a second
    search_core_s: float = 0.036  # of which most is the question's vector
    search_1m_s: float = 0.0012  # the index alone, of a million chunks
    prefill_tok_s: float = 864  # on both cores, as what follows
    decode_tok_s: float = 223
    streams8_ratio: float = 2.14  # eight texts over one
    prompt_tokens: int = 675
    written_tokens: int = 60
    texts_core_s: float = 13.3  # chunks embedded by one core in a second
    index_gb_1m: float = 0.86  # resident, of a million chunks

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ValueError for a name that is not ours."""
        given = json.loads(path.read_text(encoding="utf-8"))
        if unknown := sorted(given.keys() - {each.name for each in fields(cls)}):
            raise ValueError(f"{path}: {', '.join(unknown)}: no such figure")
        return cls(**given)

    @property
    def engine(self) -> Engine:
        row_share = (8 / self.streams8_ratio - 1) / 7
        return Engine(self.prefill_tok_s, 1 / self.decode_tok_s, row_share, slots=16)


@dataclass(frozen=True, slots=True)
class Promise:
    """The least number that keeps a promise, and how well it does."""

    number: int
    p95_s: float


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=Path, help="JSON of another machine's figures")
    parser.add_argument("--quick", action="store_true", help="ten minutes instead of an hour")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    measured = Measured.read(options.measured) if options.measured else Measured()
    duration_s = 600.0 if options.quick else 3600.0
    figures: Figures = {}
    for people in PEOPLE:
        figures |= size_people(people, measured, duration_s)
    for chunks in CHUNKS:
        figures |= size_library(chunks, measured)
    settings = {**asdict(measured), "seed": SEED, "duration_s": duration_s}
    report(figures, build_manifest("simulate", settings), json_path=options.json)


def size_people(people: int, measured: Measured, duration_s: float) -> Figures:
    """Cores of API processes, and workers that write, for the busiest hour of so many."""
    rng = np.random.default_rng(SEED)
    questions_s = people * QUESTIONS_A_DAY / WORKDAY_S * PEAK
    searches_s = people * SEARCHES_A_DAY / WORKDAY_S * PEAK
    questions = draw_arrivals(questions_s, duration_s, rng)
    searches = draw_arrivals(searches_s, duration_s, rng)
    arrivals = np.concatenate([questions, searches])
    work = np.concatenate(
        [
            _draw_work(measured.answer_core_s, len(questions), rng),
            _draw_work(measured.search_core_s, len(searches), rng),
        ]
    )
    order = np.argsort(arrivals, kind="stable")
    cores = least(
        lambda number: _on_cores(arrivals[order], work[order], number),
        at_most_s=MAX_WAIT_S,
    )
    workers = least(
        lambda number: _written(questions, measured, number),
        at_most_s=MAX_FIRST_TOKEN_S,
    )
    name = f"people{people}"
    remembered = count_hits(
        draw_zipf(len(arrivals), kinds=_DISTINCT, exponent=_EXPONENT, rng=rng).tolist(),
        capacity=_REMEMBERED,
    )
    return {
        f"{name}_questions_a_second": questions_s,
        f"{name}_api_cores": cores.number,
        f"{name}_api_wait_p95_s": cores.p95_s,
        f"{name}_api_busy": float(work.sum()) / (cores.number * duration_s),
        f"{name}_generate_workers": workers.number,
        f"{name}_first_token_p95_s": workers.p95_s,
        f"{name}_question_vectors_kept": remembered / max(1, len(arrivals)),
    }


def size_library(chunks: int, measured: Measured) -> Figures:
    """What a library of so many chunks takes: memory, time to read it in, time of a search.

    A search looks at a set number of lists; there are as many as the square root of the vectors.
    """
    millions = chunks / 1e6
    name = f"chunks{round(millions)}m"
    return {
        f"{name}_index_gb": measured.index_gb_1m * millions,
        f"{name}_index_search_ms": 1e3 * measured.search_1m_s * math.sqrt(millions),
        f"{name}_embed_core_days": chunks / measured.texts_core_s / 86_400,
    }


def least(trial: Callable[[int], Promise], *, at_most_s: float) -> Promise:
    """The least number whose 95th percentile keeps the promise: doubled, then halved."""
    low, high = 0, 1
    found = trial(high)
    while found.p95_s > at_most_s:
        if high >= _MOST:
            raise ValueError(f"not even {high} keep it: one alone takes longer")
        low, high = high, 2 * high
        found = trial(high)
    while high - low > 1:
        middle = (low + high) // 2
        tried = trial(middle)
        if tried.p95_s <= at_most_s:
            high, found = middle, tried
        else:
            low = middle
    return found


def _on_cores(arrivals: Floats, work: Floats, number: int) -> Promise:
    return Promise(number, _p95(serve(arrivals, work, servers=number) - work - arrivals))


def _written(questions: Floats, measured: Measured, number: int) -> Promise:
    """Questions dealt out to workers in turn."""
    wanted = [Wanted(at, measured.prompt_tokens, measured.written_tokens) for at in questions]
    firsts: list[float] = []
    for worker in range(number):
        mine = wanted[worker::number]
        written = batch(mine, measured.engine)
        firsts += [end.first - begin.arrival for begin, end in zip(mine, written, strict=True)]
    return Promise(number, _p95(firsts))


def _draw_work(mean: float, number: int, rng: np.random.Generator) -> Floats:
    shape = 1 / _SPREAD**2
    return rng.gamma(shape, mean / shape, number)


def _p95(values: Sequence[float] | Floats) -> float:
    return float(np.quantile(values, 0.95)) if len(values) else 0.0


if __name__ == "__main__":
    main()
