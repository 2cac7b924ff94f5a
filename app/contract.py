"""Print the service's OpenAPI, from which the web application's types are made. Starts nothing."""

import json
import sys
from types import SimpleNamespace
from typing import Any, cast

from app.main import create_app
from app.metrics import Metrics
from app.services import Services
from app.tracing import build_tracing
from core.settings import Settings


def build_contract() -> dict[str, Any]:
    """The OpenAPI document of a service with usual settings, as /openapi.json sends it."""
    settings = Settings()
    services = SimpleNamespace(
        settings=settings,
        database=None,
        servers=None,
        running=None,
        idempotency=None,
        deliverer=None,
        warm_ups={},
        jobs=SimpleNamespace(find_all=None),
        metrics=Metrics(),
        tracing=build_tracing(settings.tracing),
    )
    return create_app(cast("Services", services)).openapi()


if __name__ == "__main__":
    json.dump(build_contract(), sys.stdout, indent=1)
