"""The questions of the upgrade, and what a service says to them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.upgrade_seed import FACTS, PLACES
from benchmarks.upgrade_service import RunningService

_ANSWERED: Final = (
    "When does the library of Alder open?",
    "What is the bridge of Oak built of?",
    "Which lamp lights the lighthouse number 3?",
)
# What a version may add or reckon anew; the words and what they rest on may not change.
_TELLING: Final = ("status", "answer", "citations", "receipt")
_OF_A_CITATION: Final = ("n", "document_id", "version", "page", "start", "end", "quote")

Passage = tuple[str, int, int, str]


@dataclass(slots=True)
class Told:
    """What was found for each question, and each answer by its id."""

    passages: dict[str, list[Passage]] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)


def ask_everything(service: RunningService, *, answers: Iterable[str] = ()) -> Told:
    """Search for a fact of every place, and read these answers, or where none is given some new."""
    told = Told()
    for number, place in enumerate(PLACES):
        query = FACTS[number % len(FACTS)].format(place).removesuffix(".")
        found = service.call("POST", "/v1/search", {"query": query})["passages"]
        told.passages[query] = [
            (each["document_id"], each["start"], each["end"], each["text"]) for each in found
        ]
    wanted = list(answers) or [_ask(service, question) for question in _ANSWERED]
    for answer_id in wanted:
        told.answers[answer_id] = _essence(service.call("GET", f"/v1/answers/{answer_id}"))
    return told


def _ask(service: RunningService, question: str) -> str:
    body = {"question": question, "min_confidence": 0}
    return str(service.call("POST", "/v1/answer", body)["id"])


def _essence(stored: dict[str, Any]) -> dict[str, Any]:
    answer = stored.get("response", stored)
    told = {name: answer.get(name) for name in _TELLING}
    told["citations"] = [
        {name: each.get(name) for name in _OF_A_CITATION} for each in told["citations"] or ()
    ]
    return told
