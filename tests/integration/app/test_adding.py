"""`cimiento add` where no service runs: it does the work itself, through the durable queue."""

from pathlib import Path

from app.adding import see_through, upload
from app.wiring import build_worker
from core.access import Access
from tests.unit.app.house import POOL, House


def test_files_become_searchable_without_a_service(tmp_path: Path) -> None:
    house = House(tmp_path / "data")
    services = house.services
    (tmp_path / "pool.md").write_text(POOL)
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\nthis is no PDF at all")
    default = services.collections.get("default", Access.to_everything()).id
    added = [upload(services, tmp_path / name, default) for name in ("pool.md", "broken.pdf")]
    shown: list[str] = []
    done = see_through(
        services,
        added,
        lambda: build_worker(services.settings, services.store, services.embedder),
        show=lambda current: shown.extend(item.state for item in current),
    )
    assert [item.state for item in done] == ["searchable", "failed"]
    assert done[1].error is not None
    assert done[1].error.code == "unreadable_document"
    assert "searchable" in shown
    assert house.client.post("/v1/search", json={"query": "pool"}).json()["passages"]
    house.close()
