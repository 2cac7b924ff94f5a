"""Nobody gets in without a key or a session, and no other site gets in through a browser."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from app.edge import allowed_hosts
from app.rules import PUBLIC_PATHS
from core.people_tables import ApiKeyRow, SignInLinkRow, WebSessionRow
from core.server_settings import ServerSettings
from core.settings import Settings
from core.tables import now
from tests.statements import asked_of
from tests.unit.app.house import House


def routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Every method and path that the application answers."""
    for route in iter_route_contexts(app.routes):
        for method in sorted(getattr(route, "methods", None) or {"GET"}):
            yield method, route.path or ""


def test_every_route_outside_the_public_list_refuses_strangers(still_house: House) -> None:
    answers = {
        (method, path): still_house.stranger.request(method, path.replace("{", "").replace("}", ""))
        for method, path in routes(still_house.app)
        if path not in PUBLIC_PATHS
    }
    assert len(answers) > 15
    for place, response in answers.items():
        assert response.status_code == 401, place
        body = response.json()
        # some speak OpenAI's protocol
        assert body.get("error", body)["code"] == "unauthenticated", place
        assert response.headers["www-authenticate"] == "Bearer"


def test_a_new_route_refuses_strangers_by_itself(house: House) -> None:
    @house.app.get("/v1/forgotten")
    def forgotten() -> str:
        return "secret"

    assert house.stranger.get("/v1/forgotten").status_code == 401
    assert house.client.get("/v1/forgotten").json() == "secret"


def test_the_public_list_lets_somebody_in_and_tells_nothing(still_house: House) -> None:
    public = {path for path in PUBLIC_PATHS if path.startswith("/v1")}
    assert public == {"/v1/sign-in", "/v1/sign-in/link"}
    assert {path for _, path in routes(still_house.app)} >= PUBLIC_PATHS


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Basic abc", "Bearer", "", "Bearer cim_", "bearer é"]
)
def test_a_wrong_key_is_refused(still_house: House, header: str) -> None:
    headers = [(b"authorization", header.encode("latin-1"))]
    assert still_house.stranger.get("/v1/collections", headers=headers).status_code == 401


def test_a_wrong_key_beside_a_good_session_is_refused(house: House) -> None:
    browser = house.sign_in()
    response = browser.get("/v1/collections", headers={"Authorization": "Bearer wrong"})
    assert response.status_code == 401


def test_a_revoked_key_is_worthless_at_once(house: House) -> None:
    key, secret = house.services.credentials.create_key("gone soon")
    headers = {"Authorization": f"Bearer {secret}"}
    assert house.stranger.get("/v1/collections", headers=headers).status_code == 200
    house.services.credentials.revoke_key(key.id)
    assert house.stranger.get("/v1/collections", headers=headers).status_code == 401


def test_no_secret_is_stored(house: House) -> None:
    token = house.services.doors.sessions.create_link()
    browser = house.sign_in()
    with house.services.database.read_scope() as session:
        stored = [
            *session.scalars(select(ApiKeyRow.key_hash)),
            *session.scalars(select(SignInLinkRow.token_hash)),
            *session.scalars(select(WebSessionRow.token_hash)),
        ]
    assert len(stored) >= 3
    for secret in (token, house.key, *browser.cookies.values()):
        assert all(secret not in row for row in stored)


def test_time_tells_of_a_hash_and_never_of_a_secret(still_house: House) -> None:
    """Whoever guesses cannot choose what the database compares: it is shown the hash of a guess,
    in the same statement for good ones and for bad ones."""
    credentials = still_house.services.credentials
    secrets = (still_house.key, still_house.key[:-1] + "~", "cim_", "")
    with asked_of(still_house.services.database) as asked:
        for find in (credentials.find_key, credentials.find_session):
            first = []
            for secret in secrets:
                asked.clear()
                find(secret)
                looked_up, parameters = next(each for each in asked if "WHERE" in each[0])
                first.append(looked_up)
                # by name, or a tuple in SQLite's sessions
                values = parameters.values() if isinstance(parameters, dict) else parameters
                assert hashlib.sha256(secret.encode()).hexdigest() in values
                assert not secret or secret not in str(asked)
            assert len(set(first)) == 1


# ---- sign-in links ---------------------------------------------------------------------------


def test_a_sign_in_link_works_once(house: House) -> None:
    token = house.services.doors.sessions.create_link()
    first, second = house.new_client(), house.new_client()
    response = first.post("/sign-in", data={"token": token})
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert first.get("/v1/collections").status_code == 200
    again = second.post("/sign-in", data={"token": token})
    assert (again.status_code, again.json()["code"]) == (403, "sign_in_link_invalid")
    assert second.get("/v1/collections").status_code == 401


def test_opening_a_sign_in_link_does_not_use_it_up(house: House) -> None:
    token = house.services.doors.sessions.create_link()
    page = house.stranger.get(f"/sign-in?token={token}")
    assert page.status_code == 200
    assert token not in page.text
    assert "set-cookie" not in page.headers
    assert house.stranger.post("/sign-in", data={"token": token}).status_code == 303


def test_a_whole_link_can_be_pasted(house: House) -> None:
    link = f"http://localhost:8420/sign-in?token={house.services.doors.sessions.create_link()}"
    assert house.stranger.post("/sign-in", data={"token": link}).status_code == 303


def test_an_expired_link_signs_nobody_in(house: House) -> None:
    token = house.services.doors.sessions.create_link()
    with house.services.database.session_scope() as session:
        session.execute(update(SignInLinkRow).values(expires_at=now() - timedelta(seconds=1)))
    assert house.stranger.post("/sign-in", data={"token": token}).status_code == 403


def test_an_expired_session_is_out(house: House) -> None:
    browser = house.sign_in()
    with house.services.database.session_scope() as session:
        session.execute(update(WebSessionRow).values(expires_at=now() - timedelta(seconds=1)))
    assert browser.get("/v1/collections").status_code == 401


def test_signing_out_ends_the_session_on_the_server(house: House) -> None:
    browser = house.sign_in()
    name, value = next(iter(browser.cookies.items()))
    response = browser.post("/sign-out", headers={"Sec-Fetch-Site": "same-origin"})
    assert response.status_code == 204
    kept = house.new_client()
    kept.cookies.set(name, value)
    assert kept.get("/v1/collections").status_code == 401


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(house: House) -> None:
    token = house.services.doors.sessions.create_link()
    cookie = house.stranger.post("/sign-in", data={"token": token}).headers["set-cookie"]
    parts = {part.strip().lower() for part in cookie.split(";")}
    assert {"httponly", "samesite=strict", "path=/"} <= parts
    assert "secure" not in parts
    assert not any(part.startswith("domain") for part in parts)


def test_the_cookie_is_for_https_only_where_people_use_https(house: House) -> None:
    app = house.with_settings(public_url="https://docs.example.org")
    browser = TestClient(app, base_url="https://docs.example.org", follow_redirects=False)
    token = house.services.doors.sessions.create_link()
    cookie = browser.post("/sign-in", data={"token": token}).headers["set-cookie"]
    assert cookie.startswith("__Host-cimiento=")
    assert "secure" in cookie.lower()
    assert browser.get("/v1/collections").status_code == 200


# ---- requests from other sites ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": "http://127.0.0.1:8420"}, 201),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:8420"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_cookie_changes_things_from_this_site_only(
    house: House, headers: dict[str, str], status: int
) -> None:
    browser = house.sign_in()
    response = browser.post("/v1/collections", json={"name": "made"}, headers=headers)
    assert response.status_code == status
    if status == 403:
        assert response.json()["code"] == "cross_origin"
    assert browser.get("/v1/collections", headers=headers).status_code == 200


def test_a_key_needs_no_origin(house: House) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    response = house.client.post("/v1/collections", json={"name": "made"}, headers=headers)
    assert response.status_code == 201


# ---- names of the host -------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost:8420", "127.0.0.1", "[::1]:8420", "LOCALHOST"])
def test_a_loopback_server_answers_to_its_own_names(still_house: House, host: str) -> None:
    assert still_house.stranger.get("/health/live", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[", "10.0.0.1", ""])
def test_a_loopback_server_answers_to_no_other_name(still_house: House, host: str) -> None:
    response = still_house.client.get("/v1/collections", headers={"Host": host})
    assert response.status_code == 421
    assert response.json()["code"] == "wrong_host"


def test_the_public_name_is_one_of_ours(house: House) -> None:
    app = house.with_settings(public_url="https://docs.example.org/")
    client = TestClient(app, base_url="https://docs.example.org")
    assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    ("bound_to", "checks"),
    [
        *((name, True) for name in ("127.0.0.1", "::1", "localhost", "127.8.8.8")),
        *((name, False) for name in ("0.0.0.0", "::", "192.168.1.5", "docs.internal")),  # noqa: S104 - nothing is bound
    ],
)
def test_only_a_loopback_server_checks_names(
    tmp_path: Path, bound_to: str, *, checks: bool
) -> None:
    settings = Settings(data_dir=tmp_path, server=ServerSettings(host=bound_to))
    assert (allowed_hosts(settings) is not None) is checks


def test_every_response_carries_the_security_headers(still_house: House) -> None:
    for path in (
        "/",
        "/static/logo.svg",
        "/v1/collections",
        "/nowhere",
        "/sign-in",
        "/openapi.json",
    ):
        headers = still_house.client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY", path
        assert headers["x-request-id"].startswith("req_"), path


def test_only_over_https_are_browsers_told_to_stay_there(house: House) -> None:
    assert "strict-transport-security" not in house.client.get("/health/live").headers
    app = house.with_settings(public_url="https://docs.example.org")
    client = TestClient(app, base_url="https://docs.example.org")
    sent = client.get("/health/live").headers["strict-transport-security"]
    assert int(sent.partition("max-age=")[2]) >= 180 * 24 * 3600
