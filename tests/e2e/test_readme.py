"""The examples of README.md do what it says: each brings the cited answer, in its own language."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.readme import Example, examples
from tests.e2e.service import Service

pytestmark = pytest.mark.weights

EXAMPLES = examples()
ASKING = sorted(EXAMPLES.keys() - {"setup"})


@pytest.fixture(scope="module")
def key(library: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What the first example makes: a key, and a document that is searchable."""
    setup = EXAMPLES["setup"]
    shown = Example(setup.language, f"{setup.text}\necho\necho $KEY")
    *_, made = shown.run(library, tmp_path_factory.mktemp("readme")).split()
    (job, *_) = library.client.get("/v1/jobs").json()["items"]
    assert library.wait_for_job(job["id"])["state"] == "searchable"
    yield made
    library.client.delete(f"/v1/documents/{job['document_id']}")


def test_there_is_an_example_for_each_door() -> None:
    assert {"setup", "curl", "python", "openai", "langchain", "mcp"} <= EXAMPLES.keys()


@pytest.mark.parametrize("name", ASKING)
def test_an_example_brings_the_cited_answer(
    library: Service, key: str, name: str, tmp_path: Path
) -> None:
    printed = EXAMPLES[name].run(library, tmp_path, KEY=key)
    assert "25 days" in printed
    assert "leave.md" in printed or "/documents/doc_" in printed
