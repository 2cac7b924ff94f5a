"""Vectors to points in the plane, near where they are alike. Pure, and the same every time.

This is t-SNE (van der Maaten and Hinton 2008) over few equal neighbours, the repulsion of all from
all computed on a grid (Linderman et al. 2019). Some thousands of landmarks are laid out first; the
others begin beside the landmarks nearest to them, so that few steps bring them home.
"""

from dataclasses import dataclass
from typing import Final

import faiss
import numpy as np
import numpy.typing as npt

from core.segments import Vectors
from retrieval.map.repulsion import Points, repel

_NUM_NEIGHBOURS: Final = 10
_NUM_LANDMARKS: Final = 4_000
_NUM_PROBES: Final = 8
_TRAIN_PER_LIST: Final = 40
_START_SPREAD: Final = 1e-4
_MAX_STEP: Final = 5.0
_MIN_GAIN: Final = 0.01

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Phase:
    """Some steps in which neighbours pull `exaggeration` times as hard as they should."""

    num_steps: int
    exaggeration: float
    momentum: float


# Pulled together hard, what belongs together finds itself; then it is let go.
_FROM_NOTHING: Final = (_Phase(100, 12.0, 0.5), _Phase(200, 1.0, 0.8))
_FROM_LANDMARKS: Final = (_Phase(25, 4.0, 0.5), _Phase(125, 1.0, 0.8))


def lay_out(vectors: Vectors, *, seed: int, num_landmarks: int = _NUM_LANDMARKS) -> Points:
    """Place N vectors of unit length, (N, D) -> (N, 2) in the square from 0 to 1.

    Up to `num_landmarks` of them are laid out at once. Neighbours are exact up to twice as many,
    and else those that lie in the nearest lists of an index.
    """
    count = len(vectors)
    if count < 3:
        return np.stack([np.linspace(0, 1, count), np.full(count, 0.5)], axis=1)
    draw = np.random.default_rng(seed)
    if count <= num_landmarks:
        return _fit(_descend(_start(vectors, draw), _find_neighbours(vectors), _FROM_NOTHING))
    chosen = np.sort(draw.choice(count, num_landmarks, replace=False))
    landmarks = vectors[chosen]
    placed = _descend(_start(landmarks, draw), _find_neighbours(landmarks), _FROM_NOTHING)
    beside = _beside(vectors, landmarks, placed, draw)
    neighbours = _find_neighbours(vectors, is_exact=count <= 2 * num_landmarks)
    return _fit(_descend(beside, neighbours, _FROM_LANDMARKS))


def principal_axes(vectors: Vectors, count: int) -> npt.NDArray[np.float32]:
    """The directions along which the vectors differ most, (N, D) -> (D, count)."""
    centred = vectors - vectors.mean(axis=0)
    values, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, np.argsort(values)[::-1][:count]]
    # an axis has no sign of its own: its largest part decides, so that maps are not mirrored
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    found: npt.NDArray[np.float32] = (axes * signs).astype(np.float32)
    return found


def _start(vectors: Vectors, draw: np.random.Generator) -> Points:
    axes = principal_axes(vectors, 2)
    points = ((vectors - vectors.mean(axis=0)) @ axes).astype(np.float64)
    if points.shape[1] < 2:
        points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    points += 1e-3 * points.std() * draw.standard_normal(points.shape)  # equal ones must part
    started: Points = points / max(float(points.std()), 1e-12) * _START_SPREAD
    return started


def _beside(
    vectors: Vectors, landmarks: Vectors, placed: Points, draw: np.random.Generator
) -> Points:
    _, nearest = faiss.knn(vectors, landmarks, 3, metric=faiss.METRIC_INNER_PRODUCT)
    # the median and not the mean: between two clusters there is nothing
    beside: Points = np.median(placed[nearest], axis=1)
    return beside + 0.1 * draw.standard_normal(beside.shape)


def _find_neighbours(vectors: Vectors, *, is_exact: bool = True) -> Indices:
    """The nearest others of each, (N, K); its own index stands where none was found."""
    count = len(vectors)
    wanted = min(_NUM_NEIGHBOURS, count - 1)
    own = np.arange(count)[:, None]
    found = (_search if is_exact else _search_lists)(vectors, wanted + 1)
    found = np.where(found < 0, own, found)
    others = found != own
    # a vector that has many equals may not be among its own nearest: the last gives way then
    others[others.all(axis=1), -1] = False
    order = np.argsort(~others, axis=1, kind="stable")[:, :wanted]
    neighbours: Indices = np.take_along_axis(found, order, axis=1)
    return neighbours


def _search(vectors: Vectors, wanted: int) -> Indices:
    found: Indices = faiss.knn(vectors, vectors, wanted, metric=faiss.METRIC_INNER_PRODUCT)[1]
    return found


def _search_lists(vectors: Vectors, wanted: int) -> Indices:
    count, num_dimensions = vectors.shape
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(num_dimensions),
        num_dimensions,
        int(2 * count**0.5),
        faiss.METRIC_INNER_PRODUCT,
    )
    index.train(vectors[:: max(1, count // (_TRAIN_PER_LIST * index.nlist))])
    index.add(vectors)
    index.nprobe = _NUM_PROBES
    found: Indices = index.search(vectors, wanted)[1]
    return found


def _descend(points: Points, neighbours: Indices, phases: tuple[_Phase, ...]) -> Points:
    step = np.zeros_like(points)
    gains = np.ones_like(points)
    for phase in phases:
        rate = max(len(points) / phase.exaggeration, 50.0)
        for _ in range(phase.num_steps):
            gradient = 4 * (phase.exaggeration * _attract(points, neighbours) - repel(points))
            against = np.sign(gradient) != np.sign(step)
            gains = np.maximum(np.where(against, gains + 0.2, gains * 0.8), _MIN_GAIN)
            step = phase.momentum * step - rate * gains * gradient
            step = step.clip(-_MAX_STEP, _MAX_STEP)
            points = points + step
            points -= points.mean(axis=0)
    return points


def _attract(points: Points, neighbours: Indices) -> Points:
    """Upwards along the pull of the neighbours, (N, 2)."""
    count, num_neighbours = neighbours.shape
    places = points.astype(np.float32)
    apart = [places[neighbours, axis] - places[:, axis, None] for axis in (0, 1)]  # (N, K) each
    nearness = 1 / (1 + apart[0] ** 2 + apart[1] ** 2)
    flat = neighbours.ravel()
    pulls = []
    for along in apart:
        pull = along * nearness
        # each is pulled by its neighbours, and by those whose neighbour it is
        pulled_back = np.bincount(flat, weights=pull.ravel(), minlength=count)
        pulls.append((pulled_back - pull.sum(axis=1)) / (2 * count * num_neighbours))
    return np.stack(pulls, axis=1)


def _fit(points: Points) -> Points:
    """Into the square, with the proportions kept."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max()) or 1.0
    fitted: Points = 0.5 + (points - (low + high) / 2) / extent
    return fitted
