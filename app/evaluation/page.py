"""A run as one HTML file: no script, no other file, nothing fetched. Every text is escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from app.evaluation.charts import draw_counts, draw_curves, draw_figures
from app.evaluation.judging import Stage
from app.evaluation.results import CaseResult, Evidence
from app.evaluation.summary import EVERYTHING, MEASURES, Summary

LABELS: Final[dict[str, str]] = {
    **MEASURES,
    "refusal_precision": "refusals that were right (precision)",
    "refusal_recall": "refused of what has no answer (recall)",
    "refusal_f1": "refusals, F1",
    "risk_area": "risk of a wrong answer over all coverages (area)",
}
_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; } .number { text-align: right; } .wide { font-size: .85rem; }
svg { max-width: 100%; height: auto; }
article { border: 1px solid #d7dde4; border-radius: 6px; padding: .8rem 1rem; margin: 1rem 0; }
article h3 { margin: 0 0 .4rem; font-size: 1rem; } .stage { color: #b5452c; }
blockquote { margin: .3rem 0; padding-left: .8rem; border-left: 3px solid #d7dde4; }
.gold { border-color: #3d8361; } small, .faint { color: #5b6672; }
"""
# a page that could run or fetch something would not be safe to open: it shows foreign text
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def render_page(
    manifest: Mapping[str, Any], summary: Summary, worst: Sequence[CaseResult], num_cases: int
) -> str:
    """The whole page."""
    everything = summary.groups[EVERYTHING]
    good = [stage.value for stage in Stage if stage.is_good]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Evaluation of {escape(str(manifest['cases']))}</title>",
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>Evaluation of {escape(str(manifest['cases']))}</h1>",
        f'<p class="faint">{num_cases} questions, {escape(str(manifest["written_at"]))}</p>',
        "<h2>Figures</h2>",
        draw_figures(everything, LABELS),
        "<h2>Where questions ended</h2>",
        draw_counts(summary.funnel, good),
        "<h2>Risk of a wrong answer, by the share of questions that is answered</h2>",
        _curves(summary),
        "<h2>By language and kind of question</h2>",
        _groups(summary),
        "<h2>Time</h2>",
        _table(_times(summary)),
        f"<h2>The {len(worst)} that cost most</h2>",
        *(_case(result) for result in worst),
        "<h2>Manifest</h2>",
        _table(manifest),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _curves(summary: Summary) -> str:
    if not summary.curves:
        return '<p class="faint">No question says what is right.</p>'
    return draw_curves(summary.curves, "Risk over coverage")


def _times(summary: Summary) -> dict[str, float]:
    speed = {} if summary.tokens_per_s is None else {"tokens a second": summary.tokens_per_s}
    return {f"{key} ms": value for key, value in summary.costs_ms.items()} | speed


def _groups(summary: Summary) -> str:
    names = ("right", "score", "recall_5", "false_refusal", "refused_rightly")
    head = "".join(f"<th>{escape(LABELS[name])}</th>" for name in names)
    rows = []
    for group, figures in summary.groups.items():
        cells = "".join(
            f'<td class="number">{figure.value:.3f} <small>[{figure.low:.2f}, {figure.high:.2f}] '
            f"n={figure.n}</small></td>"
            if (figure := figures.get(name))
            else "<td></td>"
            for name in names
        )
        rows.append(f"<tr><th>{escape(group)}</th>{cells}</tr>")
    return f'<table class="wide"><tr><th></th>{head}</tr>{"".join(rows)}</table>'


def _table(values: Mapping[str, Any]) -> str:
    rows = (
        f"<tr><th>{escape(str(key))}</th><td>{escape(str(value))}</td></tr>"
        for key, value in values.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _case(result: CaseResult) -> str:
    case = result.case
    gold = (*case.answers, case.gold_quote, *case.gold_documents)
    wanted = (
        "; ".join(filter(None, gold))
        if case.is_answerable
        else "a refusal: the documents do not say"
    )
    return (
        f"<article><h3>{escape(case.question)}</h3>"
        f'<p><span class="stage">{escape(result.stage.value)}</span> '
        f"<small>line {case.line}, confidence {result.confidence:.2f}</small></p>"
        f"<table><tr><th>wanted</th><td>{escape(wanted)}</td></tr>"
        f"<tr><th>{escape(result.status)}</th><td>{escape(result.text)}</td></tr></table>"
        f"{_evidence('cited', result.citations)}{_evidence('read', result.read)}</article>"
    )


def _evidence(title: str, items: Sequence[Evidence]) -> str:
    if not items:
        return ""
    shown = "".join(
        f'<blockquote class="{"gold" if item.holds_gold else "other"}">{escape(item.text)}<br>'
        f"<small>{escape(item.document)}{f', page {item.page}' if item.page else ''}, "
        f"score {item.score:.3f}{', holds the gold' if item.holds_gold else ''}</small>"
        "</blockquote>"
        for item in items
    )
    return f"<details><summary>{escape(title)} ({len(items)})</summary>{shown}</details>"
