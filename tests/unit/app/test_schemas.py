"""A little of `benchmarks.schemas`: requests drawn from the OpenAPI are answered as it says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import Response

from app.api.common import problems
from benchmarks.schema_callers import build_callers, build_house
from benchmarks.schemas import Seen, ask, operations_of
from tests.unit.app.house import House

# in Schemathesis itself: it draws bad parameters with a generator of its own
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[House]:
    """A service that drawn requests may change."""
    house = build_house(tmp_path / "data")
    yield house
    house.close()


def test_every_operation_is_answered_as_openapi_says(asked: House) -> None:
    seen = Seen()
    operations = operations_of(asked)
    ask(operations, build_callers(asked), seen, num_each=4, seed=0)

    assert [str(finding) for finding in seen.findings.values()] == []
    assert seen.by_operation().keys() == {operation.label for operation in operations}
    assert seen.num_cases > 2 * len(operations)
    done = {operation for operation, _, status in seen.statuses if status < 300}
    assert len(done) > 0.8 * len(operations)


def test_what_openapi_does_not_say_is_found(asked: House) -> None:
    @asked.app.get("/v1/undocumented", responses=problems())
    def undocumented() -> Response:
        return Response(status_code=418)

    seen = Seen()
    ask(operations_of(asked, only="undocumented"), build_callers(asked), seen, num_each=2, seed=0)
    assert {finding.status for finding in seen.findings.values()} == {418}
