"""A small identity provider on loopback: enough of OpenID Connect to sign in, and to lie."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

CLIENT_ID: Final = "cimiento"
CLIENT_SECRET: Final = "a secret of the client"
Claims = dict[str, Any]


@dataclass
class Granted:
    """What a browser was sent here with."""

    nonce: str
    challenge: str
    redirect_uri: str


@dataclass
class IdentityProvider:
    """Knows one account. `twist` changes what it says of it; `sign` says how it is signed."""

    address: str
    account: Claims = field(
        default_factory=lambda: {
            "sub": "account-1",
            "email": "ana@example.org",
            "email_verified": True,
            "preferred_username": "ana",
            "name": "Ana",
        }
    )
    twist: Callable[[Claims], Claims] = lambda claims: claims
    sign: Callable[["IdentityProvider", Claims], str] | None = None
    metadata: Claims = field(default_factory=dict)
    key: ECKey = field(default_factory=lambda: new_key("first"))
    asked: list[str] = field(default_factory=list)
    _granted: dict[str, Granted] = field(default_factory=dict)

    def visit(self, url: str, **more: str) -> str:
        """Sign in as the account would; returns where the browser is sent back to."""
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.address}/authorize"
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert (query["response_type"], query["client_id"]) == ("code", CLIENT_ID)
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = f"code-{len(self._granted)}"
        self._granted[code] = Granted(
            query["nonce"], query["code_challenge"], query["redirect_uri"]
        )
        back = {"code": code, "state": query["state"], **more}
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def reply(self, path: str, authorization: str, form: dict[str, str]) -> tuple[int, Claims]:
        """Answer a request of the service."""
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.address,
                "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.address}/token",
                "jwks_uri": f"{self.address}/keys",
                "id_token_signing_alg_values_supported": ["ES256", "none", "HS256"],
                **self.metadata,
            }
        if path == "/keys":
            return 200, dict(KeySet([self.key]).as_dict(private=False))
        if path == "/token":
            return self._token(authorization, form)
        return 404, {}

    def _token(self, authorization: str, form: dict[str, str]) -> tuple[int, Claims]:
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        # a code is good once
        granted = self._granted.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            granted is None
            or authorization != f"Basic {basic}"
            or granted.redirect_uri != form.get("redirect_uri")
            or granted.challenge != challenge
        ):
            return 400, {"error": "invalid_grant"}
        claims = {
            "iss": self.address,
            "aud": CLIENT_ID,
            "iat": int(time.time()),
            "exp": int(time.time()) + 300,
            "nonce": granted.nonce,
            **self.account,
        }
        token = (self.sign or sign)(self, self.twist(claims))
        return 200, {"access_token": "access", "token_type": "Bearer", "id_token": token}


def new_key(kid: str) -> ECKey:
    """A key to sign with."""
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})


def sign(provider: IdentityProvider, claims: Claims, key: ECKey | None = None) -> str:
    """As a provider signs."""
    kid = provider.key.kid
    return jwt.encode({"alg": "ES256", "kid": kid}, claims, key or provider.key)


@contextmanager
def serve_provider() -> Iterator[IdentityProvider]:
    """Run one until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._send({name: values[0] for name, values in parse_qs(body).items()})

        def _send(self, form: dict[str, str]) -> None:
            status, reply = provider.reply(self.path, self.headers.get("Authorization", ""), form)
            body = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = IdentityProvider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
