"""Layouts keep what is near together, are the same every time, and bear any number of vectors."""

import faiss
import numpy as np
import numpy.typing as npt
import pytest

from core.segments import Vectors
from retrieval.map.layout import lay_out, principal_axes
from retrieval.map.repulsion import repel


def clustered(count: int, *, num_clusters: int = 10, seed: int = 0) -> Vectors:
    """Unit vectors around as many centres as there are clusters: row i is of i % num_clusters."""
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((num_clusters, 32))
    vectors = centres[np.arange(count) % num_clusters] + 0.4 * draw.standard_normal((count, 32))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def share_of_kin(places: npt.NDArray[np.float64], *, num_clusters: int = 10) -> float:
    """How many of the five nearest points are of the same cluster."""
    flat = places.astype(np.float32)
    _, nearest = faiss.knn(flat, flat, 6)
    kin = nearest[:, 1:] % num_clusters == np.arange(len(places))[:, None] % num_clusters
    return float(kin.mean())


def test_neighbours_stay_neighbours() -> None:
    vectors = clustered(400)

    places = lay_out(vectors, seed=0)

    plain = (vectors @ principal_axes(vectors, 2)).astype(np.float64)
    assert share_of_kin(places) > 0.95 > share_of_kin(plain)


@pytest.mark.parametrize("num_landmarks", [350, 200])
def test_the_rest_finds_its_place_among_landmarks(num_landmarks: int) -> None:
    places = lay_out(clustered(600), seed=0, num_landmarks=num_landmarks)

    assert share_of_kin(places) > 0.9


def test_same_seed_same_map_and_all_of_it_in_the_square() -> None:
    vectors = clustered(150)

    places = lay_out(vectors, seed=3)

    assert np.array_equal(places, lay_out(vectors, seed=3))
    assert not np.array_equal(places, lay_out(vectors, seed=4))
    assert places.min() >= 0
    assert places.max() <= 1
    assert np.ptp(places, axis=0).max() == pytest.approx(1)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 12])
def test_few_vectors_have_places_too(count: int) -> None:
    places = lay_out(clustered(count), seed=0)

    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    assert len(np.unique(places, axis=0)) == count


def test_equal_vectors_do_no_harm() -> None:
    vectors = np.repeat(clustered(2), 40, axis=0)

    places = lay_out(vectors, seed=0)

    assert np.isfinite(places).all()


@pytest.mark.parametrize("spread", [1e-4, 1.0, 10.0])
def test_push_on_a_grid_is_the_push_of_all_pairs(spread: float) -> None:
    points = spread * np.random.default_rng(0).standard_normal((500, 2))
    apart = points[:, None] - points[None]  # (N, N, 2)
    nearness = 1 / (1 + (apart**2).sum(axis=2))
    np.fill_diagonal(nearness, 0)
    exact = (nearness[..., None] ** 2 * apart).sum(axis=1) / nearness.sum()

    error = np.linalg.norm(repel(points) - exact) / np.linalg.norm(exact)

    assert error < 0.1
