"""Whether this installation has what fleets need."""

from importlib.util import find_spec

from app.fleet.errors import FleetNotPossibleError


def check_installed() -> None:
    """Raise FleetNotPossibleError, which names the extra, where Ray is not installed."""
    if find_spec("ray") is None:
        raise FleetNotPossibleError(
            "a fleet needs Ray, which is not installed; install the extra: "
            "pip install 'cimiento[scale]'"
        )
