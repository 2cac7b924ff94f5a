"""Adapters over HTTP and at the command line: kept, chosen by collection, rolled back, replayed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch

from app.adapters import AdapterInUseError, Adapters, NewAdapter
from app.people.accounts import PersonChange
from core.access import Access, Caller
from core.blobs import blob_path
from generation.engine.adapters import Adapter, LowRank, serialise_adapter
from generation.errors import AdapterMissingError
from tests.databases import work_on
from tests.unit.app.house import POOL, House
from tests.unit.app.test_cli import run

QUESTION = "When does the swimming pool open in the morning?"
EVERYTHING = Access.to_everything()
OWNER = Caller.owner()


def write_adapter(path: Path, *, scale: float = 1.0) -> Path:
    pair = LowRank(torch.ones(1, 4), torch.ones(6, 1))
    adapter = Adapter({"x.weight": pair}, scale=scale, base_sha256="b" * 64, prompt="direct@1")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(serialise_adapter(adapter))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What training wrote."""
    return write_adapter(tmp_path / "contracts" / "adapter.safetensors")


def add(house: House, file: Path, name: str = "contracts", **more: Any) -> str:
    new = NewAdapter(file, "b" * 64, "direct@1", **more)
    stored, _ = house.services.adapters.add(name, new, OWNER)
    return stored.reference


def activate(house: House, adapter: str | None, collection: str = "default") -> httpx2.Response:
    return house.client.put(f"/v1/collections/{collection}/adapter", json={"adapter": adapter})


def roll_back(house: House) -> httpx2.Response:
    return house.client.post("/v1/collections/default/adapter/rollback")


def ask(house: House, **body: object) -> dict[str, Any]:
    body = {"question": QUESTION, "min_confidence": 0.0, **body}
    response = house.client.post("/v1/answer", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_versions_are_kept_listed_and_never_given_twice(house: House, file: Path) -> None:
    adapters: Adapters = house.services.adapters
    assert add(house, file) == "contracts@1"
    assert add(house, file) == "contracts@1"
    assert add(house, file, style="read") == "contracts@2"
    assert add(house, write_adapter(file, scale=2.0)) == "contracts@3"
    adapters.remove("contracts@3")
    assert add(house, file) == "contracts@4"
    listed = house.client.get("/v1/adapters").json()["items"]
    assert [each["reference"] for each in listed] == ["contracts@1", "contracts@2", "contracts@4"]
    assert listed[1]["style"] == "read"
    assert adapters.get("contracts", EVERYTHING).version == 4


def test_an_answer_is_written_with_the_collections_adapter(house: House, file: Path) -> None:
    house.add("pool.txt", POOL)
    reference = add(house, file)
    sha256 = house.services.adapters.get(reference, EVERYTHING).sha256
    plain = ask(house)
    assert set(house.generator.adapters) == {""}
    assert (plain["receipt"]["adapter"], plain["receipt"]["adapter_sha256"]) == ("", "")

    assert activate(house, "contracts").json()["adapter"] == reference
    house.generator.adapters.clear()
    answer = ask(house, likelihood=True)
    assert set(house.generator.adapters) == {sha256}
    receipt = answer["receipt"]
    assert (receipt["adapter"], receipt["adapter_sha256"]) == (reference, sha256)
    assert "adapter" not in receipt["sampling"]
    # the weights below it are named as ever
    assert receipt["model_sha256"] == plain["receipt"]["model_sha256"]


def test_collections_with_different_adapters_are_answered_from_without(
    house: House, file: Path
) -> None:
    house.client.post("/v1/collections", json={"name": "other"})
    house.add("pool.txt", POOL)
    activate(house, add(house, file))
    assert ask(house)["receipt"]["adapter"] == ""
    assert ask(house, collections=["default"])["receipt"]["adapter"] == "contracts@1"
    activate(house, "contracts@1", "other")
    assert ask(house)["receipt"]["adapter"] == "contracts@1"


@pytest.mark.parametrize(
    ("style", "prompt", "expected"),
    [
        ("draft", None, "draft"),
        (None, None, "quote"),
        ("quote", "chain_of_thought", "draft"),
    ],
)
def test_an_adapters_style_goes_before_the_setting_and_after_the_prompts(
    house: House, file: Path, style: str | None, prompt: str | None, expected: str
) -> None:
    house.add("pool.txt", POOL)
    activate(house, add(house, file, style=style))
    assert ask(house, prompt=prompt)["receipt"]["style"] == expected


def test_what_is_activated_is_rolled_back_step_by_step(house: House, file: Path) -> None:
    first = add(house, file)
    second = add(house, write_adapter(file, scale=2.0))
    assert roll_back(house).json()["code"] == "no_earlier_adapter"
    for reference in (first, second, None):
        activate(house, reference)
    assert [roll_back(house).json()["adapter"] for _ in range(3)] == [second, first, None]
    assert roll_back(house).status_code == 409
    shown = house.client.get("/v1/collections/default/adapter").json()
    assert shown["adapter"] is None
    assert [each["rolled_back"] for each in shown["history"]] == [True] * 3 + [False] * 3


def test_who_activated_it_is_told_for_as_long_as_they_are_there(house: House, file: Path) -> None:
    people = house.services.doors.people
    ana = people.create("ana")
    adapters = house.services.adapters
    adapters.add("contracts", NewAdapter(file, "b" * 64, "direct@1"), OWNER)
    default = house.services.collections.get("default", EVERYTHING).id
    adapters.activate(default, "contracts", OWNER)
    adapters.activate(default, None, replace(OWNER, name=f"person:{ana.id}"))
    assert activate(house, "contracts@1").json()["by"] == "tests"

    def told() -> list[str]:
        history = house.client.get("/v1/collections/default/adapter").json()["history"]
        return [each["by"] for each in history]

    assert told() == ["tests", "ana", ""]
    people.update("ana", PersonChange(display_name="Ana Ruiz"))
    assert told() == ["tests", "Ana Ruiz", ""]
    people.delete("ana")
    assert told() == ["tests", "", ""]


def test_what_answers_from_a_collection_cannot_be_removed(house: House, file: Path) -> None:
    activate(house, add(house, file))
    with pytest.raises(AdapterInUseError, match="contracts@1 answers from default"):
        house.services.adapters.remove("contracts@1")


def test_nothing_goes_back_to_what_was_removed(house: House, file: Path) -> None:
    activate(house, add(house, file))
    activate(house, None)
    house.services.adapters.remove("contracts@1")
    assert roll_back(house).json()["code"] == "adapter_not_found"
    assert activate(house, "contracts@1").status_code == 404


def test_a_file_goes_with_its_last_version(house: House, file: Path) -> None:
    adapters = house.services.adapters
    for name in ("contracts", "letters"):
        add(house, file, name)
    folder = house.services.settings.data_dir / "adapters"
    path = blob_path(folder, adapters.get("contracts", EVERYTHING).sha256)
    adapters.remove("contracts@1")
    assert path.read_bytes() == file.read_bytes()
    adapters.remove("letters@1")
    assert not path.exists()


def test_a_lost_file_is_found_out_and_a_leftover_swept_up(house: House, file: Path) -> None:
    adapters = house.services.adapters
    add(house, file)
    assert not adapters.check(repair=False).findings
    folder = house.services.settings.data_dir / "adapters"
    path = blob_path(folder, adapters.get("contracts", EVERYTHING).sha256)
    left = blob_path(folder, "0" * 64)
    left.parent.mkdir()
    path.rename(left)
    found = adapters.check(repair=True).findings
    assert [each.kind for each in found] == ["adapter_lost", "adapter_leftover"]
    assert not left.exists()
    path.write_bytes(b"something else")
    (damaged,) = adapters.check(repair=True).findings
    assert (damaged.kind, damaged.mended) == ("adapter_lost", False)


def test_a_key_for_one_collection_sees_what_answers_there(house: House, file: Path) -> None:
    house.client.post("/v1/collections", json={"name": "other"})
    for name in ("contracts", "letters"):
        add(house, file, name)
    activate(house, "letters", "other")
    ids = [house.services.collections.get("other", EVERYTHING).id]
    seen = house.services.adapters.list(EVERYTHING.narrowed_to(ids))
    assert [each.reference for each in seen] == ["letters@1"]


def test_a_worker_without_the_file_is_told_to_whoever_asks(house: House, file: Path) -> None:
    house.add("pool.txt", POOL)
    activate(house, add(house, file))
    house.generator.error = AdapterMissingError("no generation worker has the adapter")
    response = house.client.post("/v1/answer", json={"question": QUESTION, "min_confidence": 0.0})
    assert (response.status_code, response.json()["code"]) == (503, "adapter_missing")


def test_a_replay_takes_the_adapter_of_then_or_says_that_it_is_gone(
    house: House, file: Path
) -> None:
    house.add("pool.txt", POOL)
    activate(house, add(house, file))
    answer = ask(house)
    activate(house, None)
    house.generator.adapters.clear()
    replay = house.client.post(f"/v1/answers/{answer['id']}/replay").json()
    assert set(house.generator.adapters) == {answer["receipt"]["adapter_sha256"]}
    assert replay["same"]

    house.services.adapters.remove("contracts@1")
    replay = house.client.post(f"/v1/answers/{answer['id']}/replay").json()
    details = [each["detail"] for each in replay["causes"] if each["kind"] == "adapter"]
    assert details[0] == "the adapter contracts@1 is no longer there; none was taken"


def test_the_command_line_keeps_activates_and_notes_it(
    house: House, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_on(house.services.settings.data_dir, monkeypatch)
    monkeypatch.setenv("CIMIENTO_LOG__LEVEL", "error")
    # the weights are elsewhere: they cannot be compared with what the adapter names
    monkeypatch.setenv("CIMIENTO_GENERATION__URL", "http://127.0.0.1:9")

    def said(*arguments: str) -> str:
        done = run("adapters", *arguments)
        assert done.exit_code == 0, done.output
        return done.stdout

    assert said("add", str(file), "--style", "draft") == "contracts@1\n"
    assert said("add", str(file), "--style", "draft") == "contracts@1 is the same already\n"
    assert said("activate", "contracts") == "contracts@1 answers from default\n"
    assert said("activate", "none") == "default is answered from without an adapter of its own\n"
    assert said("rollback") == "contracts@1 answers from default\n"
    assert json.loads(said("history", "--json"))["adapter"] == "contracts@1"
    assert "contracts@1" in said("list")
    assert run("adapters", "remove", "contracts@1").exit_code == 1
    assert run("adapters", "remove", "contracts").exit_code == 2
    events = house.services.doors.audit.list()
    assert [(each.deed.action, each.deed.target) for each in reversed(events)] == [
        ("adapter.added", "contracts@1"),
        ("adapter.activated", "contracts@1"),
        ("adapter.activated", None),
        ("adapter.rolled_back", "contracts@1"),
    ]


def test_a_file_that_is_no_adapter_is_refused(
    house: House, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_on(house.services.settings.data_dir, monkeypatch)
    file.write_bytes(b"something else")
    done = run("adapters", "add", str(file))
    assert (done.exit_code, "is damaged" in done.stderr) == (1, True)
    assert run("adapters", "add", str(file), "--name", "No Name").exit_code == 2
    assert not house.services.adapters.list(EVERYTHING)
