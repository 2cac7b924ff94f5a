"""The web application is served: its page everywhere it has one, its files small and for long."""

from functools import partial
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.rules import PAGE_PATHS
from tests.unit.app.house import House

SCRIPT = "/static/assets/index-1a2b.js"


@pytest.mark.parametrize("path", PAGE_PATHS)
def test_every_page_is_the_same_for_everybody_and_asked_for_anew(
    still_house: House, path: str
) -> None:
    response = still_house.stranger.get(path.replace("{", "").replace("}", ""))
    assert response.status_code == 200
    assert response.text == (still_house.web_root / "index.html").read_text()
    assert response.headers["content-type"].startswith("text/html")
    assert response.headers["cache-control"] == "no-cache"


def test_an_address_without_a_page_is_a_problem(still_house: House) -> None:
    for path in ("/nowhere", "/chat/a/b", "/static/assets/none.js"):
        assert still_house.client.get(path).json()["code"] == "not_found", path


@pytest.mark.parametrize("path", ["/nowhere", "/chat/a/b", "/v2"])
def test_a_person_at_an_address_without_a_page_is_told_by_the_application(
    still_house: House, path: str
) -> None:
    get = partial(still_house.stranger.get, headers={"Accept": "text/html,*/*;q=0.8"})
    response = get(path)
    assert response.status_code == 404
    assert response.text == (still_house.web_root / "index.html").read_text()
    assert "content-security-policy" in response.headers
    for program in ("/v1/nowhere", "/static/assets/none.js", "/health/none"):
        assert get(program).json()["code"] == "not_found", program
    posted = still_house.client.post(path, headers={"Accept": "text/html"})
    assert posted.json()["code"] == "not_found"


@pytest.mark.parametrize(
    ("accepted", "encoding", "body"),
    [
        ("gzip, deflate, br, zstd", "br", "script.br"),
        ("gzip;q=0.9", "gzip", "script.gz"),
        ("identity", None, "script"),
        ("", None, "script"),
    ],
)
def test_a_file_comes_in_the_smallest_form_that_the_browser_takes(
    still_house: House, accepted: str, encoding: str | None, body: str
) -> None:
    headers = {"Accept-Encoding": accepted}
    with still_house.stranger.stream("GET", SCRIPT, headers=headers) as response:
        assert b"".join(response.iter_raw()).decode() == body
    assert response.headers.get("content-encoding") == encoding
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.headers["vary"] == "Accept-Encoding"


def test_only_what_never_changes_is_kept_for_long(still_house: House) -> None:
    get = still_house.stranger.get
    hashed = get(SCRIPT, headers={"Accept-Encoding": "identity"}).headers["cache-control"]
    assert hashed == "public, max-age=31536000, immutable"
    assert get("/static/logo.svg").headers["cache-control"] == "no-cache"


def test_nothing_outside_the_built_files_is_served(still_house: House) -> None:
    (still_house.web_root.parent / "secret.txt").write_text("secret")
    for path in ("../secret.txt", "%2e%2e/secret.txt", "assets/../../secret.txt"):
        response = still_house.stranger.get(f"/static/{path}")
        assert response.status_code == 404, path


def test_a_service_whose_pages_were_not_built_says_so(still_house: House, tmp_path: Path) -> None:
    app = create_app(still_house.services, web_root=tmp_path / "none")
    client = TestClient(app, base_url=still_house.services.settings.base_url)
    for path in ("/", "/documents", SCRIPT):
        problem = client.get(path).json()
        assert (problem["status"], problem["code"]) == (503, "web_not_built"), path
        assert "make web" in problem["detail"]
    missing = client.get("/nowhere", headers={"Accept": "text/html"})
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_the_policy_lets_nothing_in_from_elsewhere(still_house: House) -> None:
    policy = still_house.stranger.get("/").headers["content-security-policy"]
    rules = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert rules["default-src"] == "'self'"
    assert rules["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert rules["require-trusted-types-for"] == "'script'"
    assert rules["trusted-types"] == "cimiento"
    assert "style-src" not in rules
    assert "http" not in policy
