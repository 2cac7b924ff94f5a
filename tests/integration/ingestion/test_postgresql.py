"""Truth and queue on PostgreSQL: work taken over and published once, quotes redacted."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.active_prompts import ActivePrompts
from app.answers import Answers, EndedAnswer, Place
from app.choosing_examples import ExampleChooser
from app.conversations import Conversations
from app.evaluation.cases import EvalCase
from app.evaluation.judging import Stage
from app.evaluation.results import CaseResult
from app.evaluation.stored import Draft, Evaluations, Wanted, keep_result
from app.examples import Examples
from app.feedback import Feedback, Opinion
from app.prompts import Prompts
from core.access import Caller
from core.generation import read_generation
from core.ids import AnswerId, EvaluationId
from core.tables import now
from core.verify import check_answers, check_evaluations, check_examples
from generation.prompts import builtin_source, load_prompt
from ingestion.uploads import Accepted
from ingestion.workflow import IngestionQueue
from tests.databases import postgresql_of
from tests.fakes import FakeEmbedder
from tests.integration.waiting import until
from tests.unit.ingestion.house import EVERYTHING, NO_ORPHANS, House, attempt_of

CALLER = Caller("key:tests", EVERYTHING)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An empty data folder whose truth and queue are in PostgreSQL."""
    house = House(tmp_path / "data", url=postgresql_of(tmp_path / "data"))
    yield house
    house.close()


def test_work_is_taken_over_and_published_once(house: House) -> None:
    queue = IngestionQueue(house.jobs_url)
    old = house.add("a.md", b"# A\n" + b"Old words of a text. " * 100)
    accepted = house.upload("a.md", b"# A\n" + b"New words of a text. " * 100)
    attempt = attempt_of(accepted)
    queue.enqueue(attempt)
    # a worker that stopped half way: its lease is the first one
    workers, stages = house.workers(), house.stages()
    worker_id = workers.join()
    lost = stages.take(attempt, worker_id)
    stages.parse(lost)
    workers.leave(worker_id)
    with house.worker():
        until(lambda: not house.attempts.list_open())
    queue.close()
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.state, job.error) == ("searchable", None)
    assert "Old" not in house.searchable_text()
    assert "New words" in house.searchable_text()
    generation = read_generation(house.database)
    assert [each.number for each in house.documents.versions(old.document_id, EVERYTHING)] == [2]
    house.documents.delete(old.document_id, EVERYTHING)
    assert house.searchable_text() == ""
    assert read_generation(house.database) > generation
    assert house.orphans() == NO_ORPHANS


def evaluate(house: House, accepted: Accepted) -> EvaluationId:
    """A run with one question that was asked, and one that waits with a quote."""
    case = EvalCase("Which words?", (), (), "Old words of a text.", True, "en", 1)  # noqa: FBT003
    wanted = Wanted("uploaded", (Draft(case), Draft(replace(case, line=2))), "direct@1", EVERYTHING)
    run = Evaluations(house.database).create(CALLER, wanted)
    result = CaseResult(
        case=case,
        stage=Stage.RIGHT,
        status="answered",
        text="Old words.",
        confidence=0.9,
        is_right=True,
        retrieval_score=0.5,
        measures={"right": 1.0},
        retrieve_ms=1.0,
        first_text_ms=None,
        total_ms=2.0,
        num_tokens=0,
        read=(),
        citations=(),
        sources=((accepted.document_id, 1),),
        gold_is_found=True,
    )
    with house.database.session_scope() as session:
        keep_result(session, run.id, 1, result)
    return run.id


def answered(accepted: Accepted) -> EndedAnswer:
    """An answer that quotes the document."""
    span = {"document_id": accepted.document_id, "version": 1, "start": 0, "end": 9}
    response = {
        "answer": "Old words.",
        "standalone": None,
        "sentences": [{"start": 0, "end": 10, "support": 1.0, "citations": [1]}],
        "citations": [{**span, "n": 1, "quote": "Old words"}],
        "passages": [
            {**span, "text": "Old words of a text.", "document_name": "a.md", "heading": "A"}
        ],
        "receipt": {"passages": [{**span, "sha256": "00"}]},
    }
    return EndedAnswer(
        id=AnswerId("ans_1"),
        asker=CALLER.name,
        question="Which words?",
        collections=None,
        place=None,
        status="answered",
        response=response,
        num_events=3,
        created_at=now(),
    )


def test_what_quotes_a_document_is_stored_and_redacted_with_it(house: House) -> None:
    accepted = house.add("a.md", b"# A\n" + b"Old words of a text. " * 100)
    caller = CALLER
    run_id = evaluate(house, accepted)
    conversation = Conversations(house.database).create(caller, title=None)
    ended = replace(answered(accepted), place=Place(conversation.id, None))
    answers = Answers(house.database)
    assert answers.keep(ended).response == ended.response
    house.documents.delete(accepted.document_id, EVERYTHING)
    stored = answers.get(ended.id, caller)
    assert (stored.response["answer"], stored.response["passages"]) == ("", [])
    assert check_answers(house.database, repair=False).findings == ()
    runs = Evaluations(house.database)
    asked, waiting = runs.results(run_id, caller)
    assert (asked.text, asked.is_withdrawn, asked.measures) == ("", True, {"right": 1.0})
    assert (waiting.case.gold_quote, waiting.is_withdrawn) == ("", True)
    assert check_evaluations(house.database, repair=False).findings == ()
    assert [each.state for each in runs.list(caller)] == ["queued"]
    assert runs.cancel(run_id, caller).state == "cancelled"
    runs.delete(run_id, caller)
    assert runs.list(caller) == []
    assert Conversations(house.database).get(conversation.id, caller).title == "Which words?"
    # one that is kept after the deletion holds none of it either
    late = answers.keep(replace(ended, id=AnswerId("ans_2")))
    assert late.response["citations"] == []


def test_prompts_are_kept_and_an_example_goes_with_its_document(house: House) -> None:
    accepted = house.add("a.md", b"# A\n" + b"Old words of a text. " * 100)
    ended = answered(accepted)
    Answers(house.database).keep(ended)
    Feedback(house.database).give(ended.id, CALLER, Opinion("up"))
    examples = Examples(house.database)
    assert [each.id for each in examples.list("candidate", CALLER)] == [ended.id]
    examples.decide(ended.id, "approved", CALLER)
    chooser = ExampleChooser(house.database, FakeEmbedder())
    few_shot = load_prompt("few_shot")
    here = house.collections.get("default", EVERYTHING)
    for access in (EVERYTHING, EVERYTHING.narrowed_to([here.id])):
        chosen = chooser.choose(few_shot, "Which words are there?", access)
        assert [example.id for example in chosen] == ["1", "2", ended.id]

    house.documents.delete(accepted.document_id, EVERYTHING)

    chosen = chooser.choose(few_shot, "Which words are there?", EVERYTHING)
    assert [example.id for example in chosen] == ["1", "2", "3"]
    assert check_examples(house.database, repair=False).findings == ()

    prompts = Prompts(house.database)
    source = builtin_source("direct", 1).replace("name: direct", "name: mine")
    assert prompts.create(source, CALLER)[0].template.reference == "mine@1"
    active = ActivePrompts(house.database, prompts)
    active.activate(here.id, "mine", CALLER)
    assert [each.reference for each in active.history(here.id)] == ["mine@1"]
    narrowed = EVERYTHING.narrowed_to([here.id])
    assert [each.template.name for each in prompts.list(narrowed)][-1] == "mine"
    assert active.roll_back(here.id, CALLER).reference is None
