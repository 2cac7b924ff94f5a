"""What lies between a caller and a token: the same text by several ways, in turns.

    python -m benchmarks.fleet NAME=URL... [--texts N] [--tokens N] [--quick] [--json FILE]

Each URL is a generation worker, however it is reached: `cimiento worker generate`, a worker of
`cimiento fleet serve` at its own address, the fleet's address. The ways take turns, so that what
else the machine does falls on all of them alike. Figures are medians: until the first token of a
prompt that was computed before, and between two tokens.
"""

import argparse
import statistics
import time
from collections import defaultdict
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import build_manifest, report
from core.settings import load_settings
from generation.remote import RemoteGenerator
from generation.types import Message, Sampling

_ASKED = [Message("user", "Write a long story about a lighthouse and its keeper.")]


@dataclass(frozen=True, slots=True)
class Seen:
    """One text as it came: its pieces' moments, from the asking on, in seconds."""

    moments_s: tuple[float, ...]

    @property
    def first_s(self) -> float:
        """Until the first piece."""
        return self.moments_s[0]

    @property
    def between_s(self) -> float:
        """Mean pause between two pieces."""
        return (self.moments_s[-1] - self.moments_s[0]) / (len(self.moments_s) - 1)


def read(generator: RemoteGenerator, *, max_tokens: int) -> Seen:
    """Have one text written, and note when each piece came."""
    started_s = time.perf_counter()
    sampling = Sampling(temperature=0.0, max_tokens=max_tokens)
    pieces = generator.stream(_ASKED, sampling, cancelled=lambda: False)
    return Seen(tuple(time.perf_counter() - started_s for _ in pieces))


def compare(
    ways: dict[str, RemoteGenerator], *, num_texts: int, max_tokens: int
) -> dict[str, float]:
    """Ask each way in turns; the first round fills caches and is not counted."""
    seen: dict[str, list[Seen]] = defaultdict(list)
    for _ in range(num_texts + 1):
        for name, generator in ways.items():
            seen[name].append(read(generator, max_tokens=max_tokens))
    figures = {}
    for name, many in seen.items():
        figures[f"{name}_first_token_ms"] = 1e3 * statistics.median(s.first_s for s in many[1:])
        figures[f"{name}_between_tokens_ms"] = 1e3 * statistics.median(
            s.between_s for s in many[1:]
        )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ways", nargs="+", metavar="NAME=URL")
    parser.add_argument("--texts", type=int, default=30)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--quick", action="store_true", help="five texts each")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    settings = load_settings()
    num_texts = 5 if arguments.quick else arguments.texts
    named = dict(way.split("=", 1) for way in arguments.ways)
    with ExitStack() as stack:
        ways = {
            name: stack.enter_context(
                closing(RemoteGenerator.of(settings.generation, url, model=settings.models.answer))
            )
            for name, url in named.items()
        }
        figures = compare(ways, num_texts=num_texts, max_tokens=arguments.tokens)
    conditions = {"texts": num_texts, "tokens": arguments.tokens}
    report(figures, build_manifest("fleet", conditions), json_path=arguments.json)


if __name__ == "__main__":
    main()
