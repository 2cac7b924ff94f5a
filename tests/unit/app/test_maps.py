"""Maps over HTTP and from the shell: as data, and as a picture that a browser may open."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from app.cli import main
from tests.library import Library
from tests.unit.app.house import POOL, House


def test_a_map_is_data_unless_a_picture_is_asked_for(house: House) -> None:
    document = house.add("pool.txt", POOL)

    data = house.client.get("/v1/collections/default/map", params={"clusters": 1})
    by_format = house.client.get("/v1/collections/default/map", params={"format": "svg"})
    by_header = house.client.get("/v1/collections/default/map", headers={"Accept": "image/svg+xml"})

    drawn = data.json()
    assert drawn["num_chunks"] == len(drawn["points"]) > 0
    assert {point["document_id"] for point in drawn["points"]} == {document}
    assert {point["cluster"] for point in drawn["points"]} == {0}
    assert "pool" in drawn["clusters"][0]["terms"]
    for picture in (by_format, by_header):
        assert picture.headers["content-type"] == "image/svg+xml"
        assert picture.headers["content-security-policy"].startswith("default-src 'none'")
        assert ElementTree.fromstring(picture.text).tag.endswith("svg")  # noqa: S314 - our own


@pytest.mark.parametrize(
    "query", ["format=png", "clusters=0", "max_points=100001", "seed=-1", "seed=x", "other=1"]
)
def test_a_map_that_cannot_be_drawn_is_refused(house: House, query: str) -> None:
    refused = house.client.get(f"/v1/collections/default/map?{query}")

    assert refused.status_code == 422
    assert refused.json()["code"] == "invalid_request"


def test_a_collection_that_is_not_there_has_no_map(house: House) -> None:
    refused = house.client.get("/v1/collections/nowhere/map")

    assert (refused.status_code, refused.json()["code"]) == (404, "collection_not_found")


def run(library: Library, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.setenv("CIMIENTO_DATA_DIR", str(library.root.parent))
    monkeypatch.setenv("CIMIENTO_DATABASE__URL", str(library.database.engine.url))
    return CliRunner().invoke(main, ["map", *arguments])


def test_the_shell_names_the_clusters_and_writes_the_picture(
    library: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library.publish(library.default_collection(), "a.txt", ["river boats", "river banks"])
    picture = tmp_path / "map.svg"

    shown = run(library, monkeypatch, "--clusters", "1", "--out", str(picture))

    assert shown.exit_code == 0, shown.output
    assert "river" in shown.stdout
    assert "river" in picture.read_text(encoding="utf-8")
    data = json.loads(run(library, monkeypatch, "--json").stdout)
    assert (data["collection"], data["num_chunks"]) == ("default", 2)


def test_the_shell_says_what_is_wrong(
    library: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "no").write_text("a file where the folder belongs")
    unknown = run(library, monkeypatch, "nowhere")
    unwritable = run(library, monkeypatch, "--out", str(tmp_path / "no" / "map.svg"))

    assert (unknown.exit_code, unwritable.exit_code) == (1, 1)
    assert "nowhere" in unknown.stderr
    assert "map.svg cannot be written" in unwritable.stderr
