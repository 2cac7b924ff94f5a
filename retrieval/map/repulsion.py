"""The push of all points on each other, in time that grows with the points, not their pairs. Pure.

Each point's weight is shared out to the four corners of its cell of a grid. Convolutions give at
every corner the nearness to all, sum(1 / (1 + r^2)), and the push of all, sum(d / (1 + r^2)^2), d
being the way from each of them and r its length; each point takes from its corners what it gave.
"""

import math
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

# Of the plane in which points lie: the kernel is about one wide, so that half of it suffices.
_CELL: Final = 0.5
_MIN_CELLS: Final = 32
_MAX_CELLS: Final = 512

Points = npt.NDArray[np.float64]
_Grid = npt.NDArray[np.float64]


def repel(points: Points) -> Points:
    """Upwards along the push of all others, (N, 2), of t-SNE's gradient without its factor 4."""
    low = points.min(axis=0)
    extent = max(float((points.max(axis=0) - low).max()), 1e-9)
    num_cells = _MIN_CELLS
    while num_cells < _MAX_CELLS and (num_cells - 2) * _CELL < extent:
        num_cells *= 2
    # one of few sizes, so that the kernels serve many steps
    cell = 2 ** (math.ceil(4 * math.log2(extent / (num_cells - 2))) / 4)
    corners, shares = _share_out((points - low) / cell, num_cells)
    weights = np.zeros(num_cells**2)
    weights += np.bincount(corners.ravel(), shares.ravel(), minlength=num_cells**2)
    nearness, *pushes = _convolve(weights.reshape(num_cells, num_cells), cell)
    total = (shares * nearness.ravel()[corners]).sum() - _on_itself(shares, cell)
    pushed = [(shares * push.ravel()[corners]).sum(axis=0) for push in pushes]
    return np.stack(pushed, axis=1) / max(float(total), 1e-12)


def _share_out(
    places: Points, num_cells: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The four corners around each place and its share in them, (4, N) each."""
    base = places.astype(np.int64)
    across, along = (places - base).T
    first = base[:, 0] * num_cells + base[:, 1]
    corners = np.stack([first, first + 1, first + num_cells, first + num_cells + 1])
    shares = np.stack(
        [(1 - across) * (1 - along), (1 - across) * along, across * (1 - along), across * along]
    )
    return corners, shares


def _convolve(weights: _Grid, cell: float) -> list[_Grid]:
    """The nearness, and the push along each axis, at every corner."""
    num_cells = len(weights)
    padded = (2 * num_cells, 2 * num_cells)  # or what leaves on one side returns on the other
    spectrum = np.fft.rfft2(weights, padded)
    return [
        np.fft.irfft2(spectrum * kernel, padded)[:num_cells, :num_cells]
        for kernel in _kernels(num_cells, cell)
    ]


@lru_cache(maxsize=2)
def _kernels(num_cells: int, cell: float) -> list[npt.NDArray[np.complex128]]:
    steps = np.arange(2 * num_cells)
    apart = np.where(steps < num_cells, steps, steps - 2 * num_cells) * cell
    nearness = 1 / (1 + apart[:, None] ** 2 + apart[None, :] ** 2)
    pushes = [apart[:, None] * nearness**2, apart[None, :] * nearness**2]
    return [np.fft.rfft2(kernel) for kernel in (nearness, *pushes)]


def _on_itself(shares: npt.NDArray[np.float64], cell: float) -> float:
    """What the grid counts of every point's nearness to itself."""
    here = (shares**2).sum()
    beside = (
        2
        * (
            shares[0] * shares[1]
            + shares[2] * shares[3]
            + shares[0] * shares[2]
            + shares[1] * shares[3]
        ).sum()
    )
    across = 2 * (shares[0] * shares[3] + shares[1] * shares[2]).sum()
    return float(here + beside / (1 + cell**2) + across / (1 + 2 * cell**2))
