"""An identity provider over OpenID Connect: where to send a browser, and who came back.

Authorization code with PKCE. Refuses whatever is not signed by the provider, for this client, for
this sign-in, now. Keeps no token: what the provider says of a person is read once.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from httpx2 import Client, HTTPError
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from app.people.errors import ProviderFailedError, SignInRefusedError
from core.oidc_settings import OidcSettings

_log = structlog.get_logger()

_TIMEOUT_S: Final = 10.0
# Discovery and keys are read again after so long; keys at once when one is not known.
_FRESH_S: Final = 3600.0
_LEEWAY_S: Final = 60
# Never a shared secret, and never none.
_ALGORITHMS: Final = [
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
]
_DISCOVERY: Final = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who came back. `email` is None unless the provider has verified it."""

    issuer: str
    subject: str
    email: str | None
    username: str | None
    display_name: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """A browser that is sent to the provider: what it must bring back, and what proves it."""

    state: str
    nonce: str
    code_verifier: str


@dataclass(frozen=True, slots=True)
class _Metadata:
    """What the provider says of itself, with its keys."""

    document: Mapping[str, Any]
    keys: KeySet
    read_s: float


class Provider:
    """One identity provider. Thread-safe; asks it for nothing until somebody signs in."""

    def __init__(self, settings: OidcSettings, *, redirect_uri: str) -> None:
        self._settings = settings
        self._issuer = settings.issuer or ""
        self._redirect_uri = redirect_uri
        self._lock = threading.Lock()
        self._known: _Metadata | None = None

    def authorization_url(self, attempt: Attempt) -> str:
        """Where the browser is sent. Raises `ProviderFailedError`."""
        with self._client() as client:
            url, _ = client.create_authorization_url(
                self._endpoint("authorization_endpoint"),
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.code_verifier,
            )
        return str(url)

    def check_issuer(self, issuer: str | None) -> None:
        """Refuse an answer that comes from another provider (RFC 9207).

        Raises `SignInRefusedError`, `ProviderFailedError`.
        """
        says_so = self._metadata().document.get("authorization_response_iss_parameter_supported")
        if issuer != self._issuer and (issuer is not None or says_so is True):
            raise SignInRefusedError("the answer is not from the identity provider that was asked")

    def fetch_identity(self, code: str, attempt: Attempt) -> Identity:
        """Who came back with this code. Raises `ProviderFailedError`, `SignInRefusedError`."""
        endpoint = self._endpoint("token_endpoint")
        try:
            with self._client() as client:
                token = client.fetch_token(
                    endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=attempt.code_verifier,
                )
        except OAuthError as error:
            _log.warning("provider_refused", error=error.error)
            raise SignInRefusedError("the identity provider did not take its own code") from error
        except (HTTPError, ValueError) as error:
            raise _failed(error) from error
        return self._identity(self._read_id_token(token, attempt.nonce))

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        is_verified = claims.get("email_verified") is True
        email = _text(claims.get("email")) if is_verified else None
        return Identity(
            issuer=self._issuer,
            subject=str(claims["sub"]),
            email=email.lower() if email else None,
            username=_text(claims.get("preferred_username")),
            display_name=_text(claims.get("name")) or "",
        )

    def _read_id_token(self, token: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        encoded = token.get("id_token")
        if not isinstance(encoded, str):
            raise SignInRefusedError("the identity provider said nothing of who it is")
        try:
            decoded = self._decode(encoded)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": self._issuer},
                    "aud": {"essential": True, "value": self._settings.client_id},
                    "nonce": {"essential": True, "value": nonce},
                },
                {
                    "nonce": nonce,
                    "client_id": self._settings.client_id,
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(leeway=_LEEWAY_S)
        except (JoseError, ValueError) as error:
            _log.warning("id_token_refused", error=str(error))
            raise SignInRefusedError(
                "what the identity provider said is not for this sign-in, or is not signed by it"
            ) from error
        return dict(decoded.claims)

    def _decode(self, encoded: str) -> jwt.Token:
        registry = JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
        keys = self._metadata().keys
        try:
            return jwt.decode(encoded, keys, registry=registry)
        except InvalidKeyIdError:
            # a provider that has changed its keys since
            return jwt.decode(encoded, self._metadata(anew=True).keys, registry=registry)

    def _endpoint(self, name: str) -> str:
        found = self._metadata().document.get(name)
        if not isinstance(found, str):
            raise ProviderFailedError(f"the identity provider names no {name}")
        return found

    def _metadata(self, *, anew: bool = False) -> _Metadata:
        with self._lock:
            known = self._known
            is_fresh = known is not None and time.monotonic() - known.read_s < _FRESH_S
            if known is None or anew or not is_fresh:
                known = self._known = self._fetch_metadata()
            return known

    def _fetch_metadata(self) -> _Metadata:
        try:
            with Client(timeout=_TIMEOUT_S) as client:
                reply = client.get(self._issuer.rstrip("/") + _DISCOVERY).raise_for_status()
                document = reply.json()
                if document.get("issuer") != self._issuer:
                    raise ProviderFailedError(
                        "the identity provider calls itself something else than "
                        "CIMIENTO_OIDC__ISSUER"
                    )
                keys = client.get(document["jwks_uri"]).raise_for_status().json()
            return _Metadata(document, KeySet.import_key_set(keys), time.monotonic())
        except (HTTPError, JoseError, ValueError, KeyError, AttributeError) as error:
            raise _failed(error) from error

    def _client(self) -> OAuth2Client:
        secret = self._settings.client_secret
        return OAuth2Client(
            self._settings.client_id,
            secret.get_secret_value() if secret else None,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            scope=self._settings.scopes,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            timeout=_TIMEOUT_S,
        )


def _failed(error: Exception) -> ProviderFailedError:
    _log.warning("provider_failed", error=repr(error))
    return ProviderFailedError("the identity provider cannot be reached, or says what none says")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
