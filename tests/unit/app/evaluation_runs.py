"""What tests of evaluation runs share: questions, runs, and a generator that steps in."""

import json
from typing import Any

from sqlalchemy import select

from core.evaluation_tables import EvaluationCaseRow
from generation.types import Pieces
from tests.fakes_generation import FakeGenerator
from tests.unit.app.house import House

OPENS = {"question": "When in the morning does the swimming pool open?", "answers": ["nine"]}
TOWELS = {"question": "Who brings their own towels?", "answers": ["visitors"]}
CEILING = {"question": "Who painted the ceiling?", "answerable": False}


def lines(*rows: dict[str, Any]) -> str:
    """An evaluation file."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def start(house: House, *rows: dict[str, Any], **body: Any) -> dict[str, Any]:
    """Queue a run, of these questions where there are any."""
    given = {"questions": lines(*rows)} if rows else {}
    response = house.client.post("/v1/evaluations", json={"min_confidence": 0, **given, **body})
    assert response.status_code == 202, response.text
    run: dict[str, Any] = response.json()
    assert (run["state"], run["stage"], run["figures"]) == ("queued", None, None)
    return run


def get(house: House, run: dict[str, Any], *, part: str = "", **params: str) -> Any:
    response = house.client.get(f"/v1/evaluations/{run['id']}{part}", params=params)
    assert response.status_code == 200, response.text
    return response.json()


def done(house: House, *rows: dict[str, Any], **body: Any) -> dict[str, Any]:
    """A run that has come to its end."""
    run = start(house, *rows, **body)
    house.evaluate()
    ended: dict[str, Any] = get(house, run)
    return ended


def stored(house: House) -> str:
    """Everything that is stored of questions, as text."""
    with house.services.database.read_scope() as session:
        rows = session.execute(select(EvaluationCaseRow.asked, EvaluationCaseRow.result)).all()
    return json.dumps([list(row) for row in rows], ensure_ascii=False)


class Stopping(FakeGenerator):
    """Does something to the service when it has written so many answers."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after
        self.do: Any = None

    def stream(self, *given: Any, **options: Any) -> Pieces:
        reason = yield from super().stream(*given, **options)
        self.left -= 1
        if self.left == 0:
            self.do()
        return reason
