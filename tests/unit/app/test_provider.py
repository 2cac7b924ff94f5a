"""Signing in through an identity provider: whoever it vouches for, and nobody that looks so."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr, ValidationError

from app.main import create_app
from app.wiring import build_provider
from core.oidc_settings import OidcSettings
from tests.unit.app.house import House
from tests.unit.app.identity_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Claims,
    IdentityProvider,
    new_key,
    serve_provider,
    sign,
)

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def running() -> Iterator[IdentityProvider]:
    """One provider for all tests."""
    with serve_provider() as provider:
        yield provider


@pytest.fixture
def provider(running: IdentityProvider) -> IdentityProvider:
    """The provider, as honest as it began."""
    fresh = IdentityProvider(running.address)
    running.__dict__.update(fresh.__dict__)
    return running


class Desk:
    """A service that people sign in to through the provider."""

    def __init__(self, house: House, provider: IdentityProvider, **settings: Any) -> None:
        self.house = house
        self.provider = provider
        oidc = OidcSettings(
            issuer=provider.address,
            client_id=CLIENT_ID,
            client_secret=SecretStr(CLIENT_SECRET),
            **settings,
        )
        chosen = house.services.settings.model_copy(update={"oidc": oidc})
        services = replace(house.services, settings=chosen)
        services = replace(
            services, provider=build_provider(chosen, house.services.database, house.services.doors)
        )
        self.app = create_app(services)

    def browser(self) -> TestClient:
        """A browser that has signed in nowhere."""
        return TestClient(
            self.app, base_url=self.house.services.settings.base_url, follow_redirects=False
        )

    def begin(self, browser: TestClient) -> str:
        """Where the service sends the browser."""
        response = browser.get("/sign-in/provider")
        assert response.status_code == 303
        return response.headers["location"]

    def sign_in(self, browser: TestClient, **more: str) -> httpx2.Response:
        """There and back."""
        return browser.get(self.provider.visit(self.begin(browser), **more))


@pytest.fixture
def desk(house: House, provider: IdentityProvider) -> Desk:
    """A service to which Ana is invited by her address."""
    house.services.doors.people.create("root", is_owner=True)
    house.services.doors.people.create("ana", email="ana@example.org")
    return Desk(house, provider)


def refused(response: httpx2.Response, code: str = "sign_in_refused") -> bool:
    """Whether the browser is back at the beginning, without a session."""
    return (
        response.status_code == 303
        and response.headers["location"] == f"/sign-in?problem={code}"
        and "cimiento_session" not in response.headers.get("set-cookie", "")
    )


def test_whoever_was_invited_by_address_is_in_and_found_again_by_account(
    desk: Desk, provider: IdentityProvider
) -> None:
    browser = desk.browser()
    response = desk.sign_in(browser)
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert browser.get("/v1/me").json()["name"] == "ana"
    # the address has changed since; the account is the same
    provider.account |= {"email": "married@example.org"}
    again = desk.browser()
    desk.sign_in(again)
    assert again.get("/v1/me").json()["name"] == "ana"
    (event, *_) = desk.house.services.doors.audit.list()
    assert (event.deed.action, event.deed.details["how"]) == ("signed_in", "provider")


def test_the_page_of_signing_in_knows_the_provider(desk: Desk, house: House) -> None:
    assert house.stranger.get("/v1/sign-in").json()["provider"] is None
    ways = desk.browser().get("/v1/sign-in").json()
    assert ways["provider"] == {"title": "Single sign-on", "url": "/sign-in/provider"}
    assert house.stranger.get("/sign-in/provider").status_code == 404


def test_what_is_sent_along_differs_each_time_and_gives_nothing_away(desk: Desk) -> None:
    sent = [parse_qs(urlsplit(desk.begin(desk.browser())).query) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert sent[0][name] != sent[1][name]
        assert len(sent[0][name][0]) >= 43
    browser = desk.browser()
    response = browser.get("/sign-in/provider")
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    verifier = browser.cookies["cimiento_sign_in"].split(".")[2]
    assert verifier not in response.headers["location"]


def test_only_the_browser_that_was_sent_may_come_back(desk: Desk) -> None:
    victim, attacker = desk.browser(), desk.browser()
    back = desk.provider.visit(desk.begin(attacker))
    assert refused(victim.get(back))
    desk.begin(victim)
    assert refused(victim.get(back))


def test_it_may_come_back_once(desk: Desk) -> None:
    browser = desk.browser()
    back = desk.provider.visit(desk.begin(browser))
    kept = dict(browser.cookies)
    assert browser.get(back).headers["location"] == "/"
    assert refused(desk.browser().get(back))
    again = desk.browser()
    again.cookies.update(kept)
    # even with the cookie that it had then: the provider takes a code once
    assert refused(again.get(back))


def test_a_refusal_of_the_provider_is_none_of_ours_to_repeat(desk: Desk) -> None:
    browser = desk.browser()
    state = parse_qs(urlsplit(desk.begin(browser)).query)["state"][0]
    params = {"state": state, "error": "access_denied", "error_description": "<script>"}
    assert refused(browser.get("/sign-in/provider/callback", params=params))


LIES: Final[Mapping[str, Callable[[Claims], Claims]]] = {
    "another nonce": lambda claims: claims | {"nonce": "another"},
    "no nonce": lambda claims: {name: each for name, each in claims.items() if name != "nonce"},
    "another issuer": lambda claims: claims | {"iss": "https://evil.example"},
    "another audience": lambda claims: claims | {"aud": "somebody-else"},
    "many audiences, meant for another": lambda claims: (
        claims | {"aud": [CLIENT_ID, "other"], "azp": "other"}
    ),
    "expired": lambda claims: claims | {"exp": int(time.time()) - 3600},
    "from the future": lambda claims: claims | {"iat": int(time.time()) + 3600},
    "no subject": lambda claims: {name: each for name, each in claims.items() if name != "sub"},
    "a hash of another access token": lambda claims: claims | {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_not_for_this_sign_in_lets_nobody_in(
    desk: Desk, provider: IdentityProvider, lie: str
) -> None:
    provider.twist = LIES[lie]
    assert refused(desk.sign_in(desk.browser()))


def _unsigned(_provider: IdentityProvider, claims: Claims) -> str:
    signed = sign(_provider, claims)
    # its header asks for the algorithm "none"
    return f"eyJhbGciOiJub25lIn0.{signed.split('.')[1]}."


def _with_client_secret(_provider: IdentityProvider, claims: Claims) -> str:
    return _hmac(CLIENT_SECRET.encode(), {"alg": "HS256"}, claims)


def _with_public_key(provider: IdentityProvider, claims: Claims) -> str:
    header = {"alg": "HS256", "kid": provider.key.kid}
    return _hmac(provider.key.as_pem(private=False), header, claims)


def _hmac(key: bytes, header: Claims, claims: Claims) -> str:
    # by hand: no library of today makes such a token
    parts = [_encoded(json.dumps(each).encode()) for each in (header, claims)]
    digest = hmac.digest(key, b".".join(parts), "sha256")
    return b".".join([*parts, _encoded(digest)]).decode()


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _spliced(provider: IdentityProvider, claims: Claims) -> str:
    other = sign(provider, {**claims, "sub": "somebody else"})
    return f"{sign(provider, claims).rpartition('.')[0]}.{other.rpartition('.')[2]}"


FORGERIES: Final[Mapping[str, Callable[[IdentityProvider, Claims], str]]] = {
    "unsigned": _unsigned,
    "with the client's secret": _with_client_secret,
    "with the public key as a secret": _with_public_key,
    "with another key": lambda provider, claims: sign(provider, claims, new_key("first")),
    "changed after signing": _spliced,
    "not a token": lambda *_: "nonsense",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_the_provider_has_not_signed_lets_nobody_in(
    desk: Desk, provider: IdentityProvider, forgery: str
) -> None:
    provider.sign = FORGERIES[forgery]
    assert refused(desk.sign_in(desk.browser()))


def test_a_provider_may_change_its_keys(desk: Desk, provider: IdentityProvider) -> None:
    desk.sign_in(desk.browser())
    provider.key = new_key("second")
    browser = desk.browser()
    assert desk.sign_in(browser).headers["location"] == "/"
    # and is asked for them when they are not known, not each time
    num_asked = provider.asked.count("/keys")
    desk.sign_in(desk.browser())
    assert provider.asked.count("/keys") == num_asked == 2


def test_an_answer_of_another_provider_is_refused(desk: Desk, provider: IdentityProvider) -> None:
    assert refused(desk.sign_in(desk.browser(), iss="https://evil.example"))
    assert desk.sign_in(desk.browser(), iss=provider.address).headers["location"] == "/"


def test_a_provider_that_says_it_names_itself_has_to(
    desk: Desk, provider: IdentityProvider
) -> None:
    provider.metadata = {"authorization_response_iss_parameter_supported": True}
    assert refused(desk.sign_in(desk.browser()))


def test_a_provider_that_calls_itself_something_else_is_not_asked(
    desk: Desk, provider: IdentityProvider
) -> None:
    provider.metadata = {"issuer": "https://evil.example"}
    assert refused(desk.browser().get("/sign-in/provider"), "provider_failed")


def test_a_provider_that_cannot_be_reached_leaves_the_rest_as_it_is(
    house: House, provider: IdentityProvider
) -> None:
    desk = Desk(house, replace(provider, address="http://127.0.0.1:9"))
    browser = desk.browser()
    assert refused(browser.get("/sign-in/provider"), "provider_failed")
    assert browser.get("/v1/sign-in").json()["password"] is True


@pytest.mark.parametrize(
    "account",
    [
        {"email": "stranger@example.org"},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email": None},
    ],
)
def test_whoever_was_not_invited_stays_out(
    desk: Desk, provider: IdentityProvider, account: Claims
) -> None:
    provider.account |= account
    assert refused(desk.sign_in(desk.browser()))
    assert [each.name for each in desk.house.services.doors.people.list()] == ["ana", "root"]


def test_an_address_that_has_passed_to_another_account_opens_nothing(
    desk: Desk, provider: IdentityProvider
) -> None:
    desk.sign_in(desk.browser())
    provider.account |= {"sub": "account-2"}
    assert refused(desk.sign_in(desk.browser()))


def test_whoever_is_disabled_stays_out(desk: Desk) -> None:
    owner = desk.house.sign_in()
    owner.patch("/v1/people/ana", json={"is_disabled": True}, headers=OURS)
    assert refused(desk.sign_in(desk.browser()))


def test_anybody_may_come_where_that_is_set_and_sees_nothing_yet(
    house: House, provider: IdentityProvider
) -> None:
    house.services.doors.people.create("ana", is_owner=True)
    desk = Desk(house, provider, sign_up="anybody")
    provider.account |= {"email": "ana maria@bad", "email_verified": True}
    browser = desk.browser()
    desk.sign_in(browser)
    me = browser.get("/v1/me").json()
    assert (me["name"], me["is_owner"], me["collections"]) == ("ana-2", False, [])


@pytest.mark.parametrize(
    "settings",
    [
        {"issuer": "http://id.example.org", "client_id": "c"},
        {"issuer": "ftp://id.example.org", "client_id": "c"},
        {"issuer": "https://id.example.org"},
        {"scopes": "email"},
        {"sign_up": "everybody"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OidcSettings(**settings)
