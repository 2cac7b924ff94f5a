"""A run over a real library: every question ends at the stage where it was lost."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.asking import default_options
from app.evaluation.cases import load_cases
from app.evaluation.comparing import compare
from app.evaluation.generating import write_questions
from app.evaluation.judging import Stage
from app.evaluation.page import LABELS
from app.evaluation.reports import BadEvaluationReportError, Run, load_report, run_and_write
from app.evaluation.running import Asking, run_cases
from app.files import UnwritableFileError
from core.access import Access
from core.settings import GenerationSettings
from tests.fakes_generation import FakeGenerator
from tests.unit.app.house import House

OPENS: dict[str, object] = {
    "question": "When in the morning does the swimming pool open?",
    "gold_doc_ids": ["pool.txt"],
}


def _asking(*, min_confidence: float = 0.0, max_passages: int = 4, top_k: int = 8) -> Asking:
    options = replace(
        default_options(GenerationSettings()),
        min_confidence=min_confidence,
        max_passages=max_passages,
    )
    return Asking(Access.to_everything(), top_k, options)


def _run(house: House, folder: Path, *rows: dict[str, object], asking: Asking | None = None) -> Run:
    source = folder / "questions.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run_and_write(
        house.services,
        load_cases(source),
        asking or _asking(),
        source=source,
        folder=folder / "report",
    )


def _stages(done: Run) -> list[str]:
    return [case["stage"] for case in done.report["cases"]]


@pytest.mark.parametrize(
    ("row", "stage"),
    [
        ({**OPENS, "answers": ["nine in the morning"]}, Stage.RIGHT),
        ({**OPENS, "gold_quote": "The swimming pool opens at nine in the morning."}, Stage.RIGHT),
        (OPENS, Stage.RIGHT),
        ({"question": OPENS["question"], "answers": ["nine"]}, Stage.RIGHT),
        ({**OPENS, "answers": ["ten"]}, Stage.NOT_INGESTED),
        ({**OPENS, "gold_doc_ids": ["other.txt"], "answers": ["six"]}, Stage.NOT_INGESTED),
        ({"question": OPENS["question"], "answers": ["six"]}, Stage.NOT_RETRIEVED),
        ({**OPENS, "answers": ["their own towels"]}, Stage.WRONG),
        ({"question": OPENS["question"]}, Stage.NOT_JUDGED),
        ({"question": OPENS["question"], "answerable": False}, Stage.NOT_REFUSED),
    ],
)
def test_a_question_ends_where_it_was_lost(
    pool: House, tmp_path: Path, row: dict[str, object], stage: Stage
) -> None:
    assert _stages(_run(pool, tmp_path, row)) == [stage.value]


def test_refusals_are_right_or_wrong(pool: House, tmp_path: Path) -> None:
    sure = _asking(min_confidence=1.0)

    done = _run(
        pool,
        tmp_path,
        {**OPENS, "answers": ["nine"]},
        {"question": "Who painted the ceiling?", "answerable": False},
        asking=sure,
    )

    assert _stages(done) == [Stage.WRONGLY_REFUSED.value, Stage.RIGHTLY_REFUSED.value]
    figures = done.report["figures"]["all"]
    assert figures["false_refusal"]["value"] == 1.0
    assert figures["refused_rightly"]["value"] == 1.0
    assert figures["refusal_f1"]["value"] == pytest.approx(2 / 3)


def test_what_retrieval_finds_and_the_answer_never_reads_is_lost_in_ranking(
    pool: House, tmp_path: Path
) -> None:
    pool.add("near.txt", "When does the swimming pool open? Ask when the swimming pool does open.")

    done = _run(
        pool,
        tmp_path,
        {"question": "When does the swimming pool open?", "answers": ["nine in the morning"]},
        asking=_asking(max_passages=1),
    )

    assert _stages(done) == [Stage.LOST_IN_RANKING.value]


def test_a_right_text_from_another_document_is_miscited(pool: House, tmp_path: Path) -> None:
    pool.add("copy.txt", "The swimming pool opens at nine.")

    done = _run(
        pool,
        tmp_path,
        {
            "question": "When does the swimming pool opens at nine.",
            "answers": ["nine"],
            "gold_doc_ids": ["pool.txt"],
        },
        asking=_asking(max_passages=1),
    )

    assert done.report["cases"][0]["citations"][0]["document"] == "copy.txt"
    assert _stages(done) == [Stage.MISCITED.value]


def test_a_report_is_grouped_and_has_its_manifest(pool: House, tmp_path: Path) -> None:
    done = _run(
        pool,
        tmp_path,
        {**OPENS, "answers": ["nine"]},
        {"question": "¿Quién trae las toallas?", "answers": ["visitors"], "lang": "es"},
    )

    stored = json.loads(done.json_path.read_text())
    assert stored == done.report
    assert {"all", "lang:en", "lang:es", "kind:time", "kind:person"} <= stored["figures"].keys()
    assert stored["manifest"]["model"] == "fake-generator"
    assert len(stored["manifest"]["cases_sha256"]) == 64
    assert sum(stored["funnel"].values()) == 2
    assert all(
        figure["low"] <= figure["value"] <= figure["high"]
        for figure in stored["figures"]["all"].values()
    )


def test_the_page_shows_foreign_text_as_text(house: House, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script> \"'><img src=x onerror=alert(2)>"
    house.add("evil.txt", f"The pool {evil} opens at nine.")

    done = _run(
        house,
        tmp_path,
        {"question": f"When does the pool {evil} open?", "answers": ["six"]},
        {"question": "When?", "gold_doc_ids": [evil]},
    )

    page = done.page_path.read_text()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in page.replace("&#x27;", "'")
    assert "http-equiv" in page


def test_two_runs_are_compared_question_by_question(pool: House, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"question": f"{OPENS['question']} {number}", "answers": ["nine"]} for number in range(12)
    ]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    before = _run(pool, tmp_path / "a", *rows)
    after = _run(pool, tmp_path / "b", *rows, asking=_asking(min_confidence=1.0))

    old, new = load_report(before.json_path), load_report(after.json_path)
    same = compare(old, old)
    worse = compare(old, new)
    better = compare(new, old)

    assert (same.losses, same.won, same.lost) == ([], (), ())
    assert set(worse.losses) == {"right", "score"}
    assert len(worse.lost) == 12
    # a measure of which less is better points the same way
    assert worse.differences["false_refusal"].value == -1.0
    assert better.losses == []
    assert len(better.won) == 12


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 99, "manifest": {}, "cases": []}'])
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)

    with pytest.raises(BadEvaluationReportError, match=r"report\.json"):
        load_report(path)


def test_reports_without_a_common_question_are_refused(pool: House, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = _run(pool, tmp_path / "a", {"question": "One?"})
    other = _run(pool, tmp_path / "b", {"question": "Other?"})

    with pytest.raises(BadEvaluationReportError, match="no question in common"):
        compare(load_report(one.json_path), load_report(other.json_path))


def test_written_questions_are_about_their_gold_and_can_be_run(pool: House, tmp_path: Path) -> None:
    pool.generator.reply = "Sure! When in the morning does the swimming pool open? I hope it helps."

    written = write_questions(
        pool.services, Access.to_everything(), 3, on_tried=lambda _count: None
    )

    assert [item.question for item in written] == [
        "When in the morning does the swimming pool open?"
    ]
    row = written[0].as_row()
    assert row["review"] == "pending"
    done = _run(pool, tmp_path, row)
    assert _stages(done) == [Stage.RIGHT.value]


def test_what_people_thought_of_answers_can_be_run(pool: House, tmp_path: Path) -> None:
    question = str(OPENS["question"])
    asked = pool.client.post("/v1/answer", json={"question": question, "min_confidence": 0}).json()
    given = pool.client.post(f"/v1/answers/{asked['id']}/feedback", json={"rating": "up"})
    assert given.status_code in (200, 201)

    rows = list(pool.services.feedback.export("evaluation"))

    assert [row["question"] for row in rows] == [question]
    assert _stages(_run(pool, tmp_path, *rows)) == [Stage.RIGHT.value]


@pytest.mark.parametrize(
    "reply",
    ["No question here.", "What?", "Who painted the Sistine ceiling in Rome?", ""],
)
def test_a_question_that_is_not_about_its_gold_is_thrown_away(pool: House, reply: str) -> None:
    pool.services = replace(pool.services, generator=FakeGenerator(reply=reply or " "))

    assert not write_questions(
        pool.services, Access.to_everything(), 3, on_tried=lambda _count: None
    )


@pytest.mark.parametrize(
    ("quote", "right"),
    [
        ("The swimming pool opens in the morning at nine.", 1.0),
        ("The swimming pool opens at ten in the morning.", 0.0),
        ("The swimming pool never opens at nine in the morning.", 0.0),
    ],
)
def test_a_quote_in_other_words_says_the_same_numbers_and_denies_nothing_else(
    pool: House, tmp_path: Path, quote: str, right: float
) -> None:
    (case,) = _run(pool, tmp_path, {"question": OPENS["question"], "gold_quote": quote}).report[
        "cases"
    ]
    assert case["answer"] == "The swimming pool opens at nine in the morning."
    assert case["measures"]["right"] == right


def test_every_metric_is_measured(pool: House, tmp_path: Path) -> None:
    done = _run(
        pool,
        tmp_path,
        {**OPENS, "answers": ["The swimming pool opens at nine in the morning."]},
        {"question": "Who painted the ceiling?", "answerable": False},
    )

    figures = done.report["figures"]["all"]
    assert figures.keys() == LABELS.keys()
    for name in (
        "exact_match",
        "recall_20",
        "ndcg_10",
        "citations_valid",
        "exact_quotes",
        "gold_document_recall",
        "same_language",
    ):
        assert figures[name]["value"] == 1.0, name
    # the right one is surer than the other: of both coverages, risk 0 and a half
    assert figures["risk_area"]["value"] in (0.25, 0.75)
    assert {"retrieve_p50", "first_text_p50", "total_p95"} <= done.report["costs_ms"].keys()
    assert done.report["tokens_per_s"] > 0


def test_a_gold_passage_that_is_found_deeper_than_what_is_ranked_counts_where_it_stands(
    pool: House, tmp_path: Path
) -> None:
    pool.add("near.txt", "When does the swimming pool open? Ask when the swimming pool does open.")

    done = _run(
        pool,
        tmp_path,
        {"question": "When does the swimming pool open?", "answers": ["nine in the morning"]},
        asking=_asking(top_k=1, max_passages=1),
    )

    measures = done.report["cases"][0]["measures"]
    assert (measures["recall_1"], measures["recall_5"]) == (0.0, 1.0)
    assert measures["reciprocal_rank"] == 0.5


def test_a_folder_that_takes_no_file_is_told_before_anything_is_asked(
    pool: House, tmp_path: Path
) -> None:
    (tmp_path / "report").write_text("a file where the folder belongs")

    with pytest.raises(UnwritableFileError, match=r"report\.json cannot be written"):
        _run(pool, tmp_path, OPENS)
    assert not pool.generator.is_writing.is_set()


def test_who_waits_is_told_how_far_it_is(pool: House, tmp_path: Path) -> None:
    source = tmp_path / "questions.jsonl"
    source.write_text('{"question": "When?"}\n{"question": "Who?"}\n')
    told: list[int] = []

    run_cases(pool.services, load_cases(source), _asking(), on_asked=told.append)

    assert told == [1, 2]
