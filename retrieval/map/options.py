"""How a map is to be drawn, and within which limits. Plain data; imports nothing heavy."""

from dataclasses import dataclass
from typing import Final

MAX_POINTS: Final = 100_000
MAX_CLUSTERS: Final = 48
MAX_SEED: Final = 2**31 - 2


@dataclass(frozen=True, slots=True)
class MapOptions:
    """The same options and the same documents give the same map.

    A collection of more chunks than `max_points` is sampled evenly. `num_clusters` of None goes by
    the number of chunks.
    """

    max_points: int = MAX_POINTS
    num_clusters: int | None = None
    seed: int = 0
