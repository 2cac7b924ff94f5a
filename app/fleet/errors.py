"""What can go wrong with a fleet before anything is asked of it."""

from core.errors import CimientoError


class FleetNotPossibleError(CimientoError):
    """The extra, the cluster or the database that a fleet needs is not there; says which."""

    code = "fleet_not_possible"


class FleetFailedError(CimientoError):
    """The cluster gave work up. What was committed stays; the same command goes on from there."""

    code = "fleet_failed"
    retryable = True
