"""Requests drawn from the OpenAPI, good ones and bad ones, to every operation by every caller.

    python -m benchmarks.schemas [--cases 20000] [--quick] [--seed 0] [--only TEXT] [--json FILE]

The real application over its real rooms, with the models of the tests, in this process. Three
callers: a key to everything, an owner who is signed in, and a stranger. Half of what names
something in a good request names what is there, so that requests get past their first look-up.
Schemathesis checks every response: no server error, and the status, the content type, the headers
and the body as the OpenAPI says; and that a request which the OpenAPI rules out is refused. A
stranger gets in nowhere but where strangers may. `--only` asks the operations whose name holds it,
such as "POST /v1/search". Exit code 1 where anything was found.
"""

import argparse
import copy
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, Final

import schemathesis
import structlog
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
)

from app.rules import PUBLIC_PATHS
from benchmarks.report import build_manifest, report
from benchmarks.schema_callers import Caller, build_callers, build_house, kind_of
from tests.unit.app.house import House

Operation = APIOperation[Any, Any, Any, Any]
Drawn = Case[Any]

# Half of the requests are good, and a refusal of one may have reasons that no schema can hold; who
# gets in is asked of the stranger.
_NOT_CHECKED: Final = [positive_data_acceptance, ignored_auth]
# What a stranger is told: who they are is asked before anything but whether the body can be read.
# 400 is the 422 of OpenAI's protocol.
_OF_STRANGERS: Final = frozenset({400, 401, 413, 422})
# Bodies may be of megabytes.
_MAX_SHOWN_CHARS: Final = 2_000
_TIMEOUT_S: Final = 20.0
_QUICK: Final = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """A response that should not be: of which operation, to whom, why not, and to which request."""

    operation: str
    caller: str
    problem: str
    status: int
    request: str

    def __str__(self) -> str:
        problem, request = (each[:_MAX_SHOWN_CHARS] for each in (self.problem, self.request))
        return f"{self.operation} by {self.caller}: {self.status}: {problem}\n{request}\n"


@dataclass(slots=True)
class Seen:
    """What came of it: responses by operation, caller and status, and the first of each finding."""

    statuses: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    findings: dict[tuple[str, str, int], Finding] = field(default_factory=dict)

    @property
    def num_cases(self) -> int:
        """Requests that were sent."""
        return self.statuses.total()

    def by_operation(self) -> Mapping[str, Counter[int]]:
        """How often each operation gave each status."""
        found: dict[str, Counter[int]] = {}
        for (operation, _, status), number in self.statuses.items():
            found.setdefault(operation, Counter())[status] += number
        return found

    def add(self, case: Drawn, caller: Caller, status: int, failures: Sequence[Exception]) -> None:
        """Keep what a case came to."""
        operation = case.operation.label
        self.statuses[operation, caller.name, status] += 1
        for failure in failures:
            kind = failure.title if isinstance(failure, Failure) else type(failure).__name__
            finding = Finding(
                operation, caller.name, f"{kind}: {failure}", status, case.as_curl_command()
            )
            self.findings.setdefault((operation, kind, status), finding)


def operations_of(house: House, *, only: str = "") -> list[Operation]:
    """Every operation that the service announces, or those whose name holds `only`."""
    # not `from_asgi`: that would start what delivers to webhooks, and what asks evaluations
    told = copy.deepcopy(house.app.openapi())
    # who calls is the caller's to say: keys are not to be drawn
    told["components"].pop("securitySchemes")
    for each in (told, *(one for path in told["paths"].values() for one in path.values())):
        each.pop("security", None)
    schema = schemathesis.openapi.from_dict(told)
    schema.app = house.app
    found = []
    for each in schema.get_all_operations():
        assert isinstance(each, Ok), each.err()
        found.append(each.ok())
    return [operation for operation in found if only in operation.label]


def ask(
    operations: Sequence[Operation],
    callers: Sequence[Caller],
    seen: Seen,
    *,
    num_each: int,
    seed: int,
) -> None:
    """Send up to so many requests to each operation; the same seed sends the same."""
    for operation in operations:
        for mode, number in _modes(num_each):
            _ask_one(operation, callers, seen, mode=mode, number=number, seed=seed)


def _modes(number: int) -> Iterator[tuple[GenerationMode, int]]:
    yield GenerationMode.POSITIVE, ceil(number / 2)
    if number > 1:
        yield GenerationMode.NEGATIVE, number // 2


def _ask_one(
    operation: Operation,
    callers: Sequence[Caller],
    seen: Seen,
    *,
    mode: GenerationMode,
    number: int,
    seed: int,
) -> None:
    cases = operation.as_strategy(generation_mode=mode)

    @seeded(seed)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, caller=st.sampled_from(callers), data=st.data())
    def send(case: Drawn, caller: Caller, data: st.DataObject) -> None:
        _name_what_is_there(case, caller, data)
        seen.add(case, caller, *_send(case, caller))

    try:
        send()
    except Unsatisfiable:
        # nothing about the operation can be wrong: it takes no parameters
        assert mode is GenerationMode.NEGATIVE, operation.label


def _send(case: Drawn, caller: Caller) -> tuple[int, Sequence[Exception]]:
    try:
        response = case.call(session=caller.client, timeout=_TIMEOUT_S)
    except Exception as error:  # noqa: BLE001 - whatever it is, the service let it through
        return 0, [error]
    failures: list[Exception] = []
    excluded = _NOT_CHECKED
    if case.media_type == "multipart/form-data":
        # a field of such a body that is null is not sent, and what is left may be good
        excluded = [*excluded, negative_data_rejection]
    if response.status_code == 413:
        # Schemathesis does not count it among the refusals
        excluded = [*excluded, negative_data_rejection]
    try:
        case.validate_response(response, excluded_checks=excluded)
    except FailureGroup as group:
        failures += group.exceptions
    status = response.status_code
    is_public = case.operation.path in PUBLIC_PATHS
    if caller.is_stranger and not is_public and status not in _OF_STRANGERS:
        failures.append(AssertionError("a stranger was not told to sign in"))
    if status == 401 and not is_public:
        caller.enter()
    return status, failures


def _name_what_is_there(case: Drawn, caller: Caller, data: st.DataObject) -> None:
    """Put names of things that there are where a good part of the request names things."""
    operation = case.operation

    def change(value: Any, field_name: str) -> Any:
        kind = kind_of(operation.method, operation.path, field_name)
        if not caller.knows(kind) or data.draw(st.booleans()):
            return value
        return caller.known(kind, fresh=operation.method == "delete")

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(each) for each in value]
        if not isinstance(value, dict):
            return value
        return {key: change(walk(each), key) for key, each in value.items()}

    if not _is_bad(case, ParameterLocation.PATH):
        # what paths call a name is a collection's
        named = {key: "collection" if key == "name" else key for key in case.path_parameters}
        case.path_parameters = {
            key: change(value, named[key]) for key, value in case.path_parameters.items()
        }
    if not _is_bad(case, ParameterLocation.QUERY):
        case.query = walk(case.query)
    if isinstance(case.body, dict) and not _is_bad(case, ParameterLocation.BODY):
        case.body = walk(case.body)


def _is_bad(case: Drawn, location: ParameterLocation) -> bool:
    return case.meta is not None and case.meta.is_negative_at(location)


def run(*, num_cases: int, seed: int, only: str) -> Seen:
    """So many cases at least, spread over the operations."""
    seen = Seen()
    with tempfile.TemporaryDirectory() as name:
        house = build_house(Path(name) / "data")
        callers = build_callers(house)
        operations = operations_of(house, only=only)
        while seen.num_cases < num_cases:
            # some operations have few requests to draw: others get what they leave
            num_each = max(2, ceil((num_cases - seen.num_cases) / len(operations)))
            ask(operations, callers, seen, num_each=min(num_each, 50), seed=seed)
            print(f"{seen.num_cases} cases, {len(seen.findings)} findings", file=sys.stderr)
            seed += 1
        house.app.state.live.stop()
        house.services.close()
    return seen


def main() -> None:
    """Ask and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schemas")
    parser.add_argument("--cases", type=int, default=20_000, help="how many requests at least")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK} of them")
    parser.add_argument("--seed", type=int, default=0, help="another one draws other requests")
    parser.add_argument("--only", default="", help="operations whose name holds this")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    num_cases = _QUICK if options.quick else options.cases
    seen = run(num_cases=num_cases, seed=options.seed, only=options.only)
    for operation, counts in seen.by_operation().items():
        told = ", ".join(f"{status}: {number}" for status, number in sorted(counts.items()))
        print(f"{operation:<66} {told}")
    for finding in seen.findings.values():
        print(finding, file=sys.stderr)
    statuses = Counter[int]()
    for (_, _, status), number in seen.statuses.items():
        statuses[status] += number
    by_operation = seen.by_operation().values()
    figures = {
        "num_operations": float(len(by_operation)),
        "num_operations_done": float(sum(min(each) < 400 for each in by_operation)),
        "num_cases": float(seen.num_cases),
        "num_findings": float(len(seen.findings)),
        **{f"num_{status}": float(number) for status, number in sorted(statuses.items())},
    }
    settings_told = {"cases": num_cases, "seed": options.seed, "only": options.only}
    report(figures, build_manifest("schemas", settings_told), json_path=options.json)
    sys.exit(1 if seen.findings else 0)


if __name__ == "__main__":
    main()
