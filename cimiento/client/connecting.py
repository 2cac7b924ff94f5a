"""Where the service is, who asks and how patiently: what both clients set. Connects to nothing."""

from typing import Final

import httpx2

DEFAULT_URL: Final = "http://127.0.0.1:8420"
DEFAULT_TIMEOUT_S: Final = 60.0
DEFAULT_RETRIES: Final = 4


def address(
    http: httpx2.Client | httpx2.AsyncClient, base_url: str, key: str | None, *, timeout_s: float
) -> None:
    """Have every request go to the service, with the key."""
    http.base_url = httpx2.URL(base_url)
    http.timeout = httpx2.Timeout(timeout_s)
    if key is not None:
        http.headers["Authorization"] = f"Bearer {key}"
