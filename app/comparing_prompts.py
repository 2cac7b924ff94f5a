"""Two prompts beside each other: what differs in their words, and what evaluations say of that."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from app.evaluation.comparing import Comparison, compare
from app.evaluation.reports import BadEvaluationReportError, StoredReport, as_json
from app.evaluation.stored import Evaluations
from app.evaluation.summary import summarise
from app.prompts import StoredPrompt
from core.access import Caller

# So many evaluations of each prompt are looked at, the newest.
_MAX_RUNS: Final = 5
_AT_A_TIME: Final = 100
# What differs in the manifests of two runs of different prompts anyhow.
_EXPECTED: Final = frozenset({"written_at", "prompt", "prompt_sha256"})


@dataclass(frozen=True, slots=True)
class PromptRun:
    """An evaluation, by its id or its file."""

    name: str
    report: StoredReport

    def is_of(self, prompt: StoredPrompt) -> bool:
        """Whether it was made with exactly this prompt."""
        return bool(self.report.manifest.get("prompt_sha256") == prompt.template.sha256)


@dataclass(frozen=True, slots=True)
class Scores:
    """Two evaluations on the same questions. `also_changed`: what else may explain a difference."""

    before: str
    after: str
    comparison: Comparison
    also_changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PromptsCompared:
    """What differs: lines of the sources, and scores where both were evaluated."""

    before: StoredPrompt
    after: StoredPrompt
    changes: tuple[str, ...]
    scores: Scores | None


def stored_runs(
    evaluations: Evaluations, caller: Caller, prompts: Sequence[StoredPrompt]
) -> list[PromptRun]:
    """The caller's latest evaluations of each of these prompts, the newest first."""
    left = dict.fromkeys((each.template.reference for each in prompts), _MAX_RUNS)
    found: list[PromptRun] = []
    cursor = None
    while any(left.values()) and (
        page := evaluations.list(caller, state="done", cursor=cursor, limit=_AT_A_TIME)
    ):
        for run in page:
            if left.get(run.wanted.prompt, 0) > 0:
                left[run.wanted.prompt] -= 1
                results = evaluations.results(run.id, caller)
                summary = run.summary or summarise(results)
                report = as_json(run.manifest or {}, results, summary)
                found.append(PromptRun(run.id, StoredReport.model_validate(report)))
        cursor = page[-1].id
    return found


def compare_prompts(
    before: StoredPrompt, after: StoredPrompt, runs: Sequence[PromptRun]
) -> PromptsCompared:
    """Compare two templates, by those runs that differ least in anything else.

    `runs` come newest first.
    """
    changes = difflib.unified_diff(
        before.source.splitlines(),
        after.source.splitlines(),
        before.template.reference,
        after.template.reference,
        lineterm="",
    )
    scores = next(_scores(before, after, runs), None)
    return PromptsCompared(before, after, tuple(changes), scores)


def _scores(
    before: StoredPrompt, after: StoredPrompt, runs: Sequence[PromptRun]
) -> Iterator[Scores]:
    olds, news = ([run for run in runs if run.is_of(each)] for each in (before, after))
    pairs = [(_also_changed(*pair), *pair) for pair in product(olds, news) if pair[0] != pair[1]]
    # sorting keeps the newest of equals first
    for also_changed, old, new in sorted(pairs, key=lambda pair: len(pair[0])):
        try:
            found = compare(old.report, new.report)
        except BadEvaluationReportError:
            continue  # they have no question in common
        yield Scores(old.name, new.name, found, also_changed)


def _also_changed(old: PromptRun, new: PromptRun) -> tuple[str, ...]:
    was, now = old.report.manifest, new.report.manifest
    names = (was.keys() | now.keys()) - _EXPECTED
    return tuple(sorted(name for name in names if was.get(name) != now.get(name)))
