"""The way to a Ray cluster. Starts none and stops none: `ray start` and `ray stop` do."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from app.fleet.errors import FleetNotPossibleError


@contextmanager
def connected(address: str) -> Iterator[None]:
    """This process as a driver of the cluster at `address`; "auto" is the one of this machine.

    Raises FleetNotPossibleError where there is none.
    """
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise FleetNotPossibleError(
            f"no Ray cluster answers at {address!r} ({error}); start one with 'ray start --head'"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()
