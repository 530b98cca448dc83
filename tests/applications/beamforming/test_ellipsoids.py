"""Learned ellipsoids: their order statistic, shapes, coverage, and what is refused."""

import jax
import numpy as np
import pytest
from support import beams

from sgl_jax.applications import beamforming as bf


@pytest.mark.parametrize(("count", "order"), [(59, 59), (100, 99), (200, 196), (1000, 962)])
def test_order_is_that_of_the_binomial_law(count, order):
    assert bf.find_order(count, 0.05, 0.05) == order


def test_one_sample_too_few_is_refused():
    with pytest.raises(ValueError, match=r"needs at least 59 samples of every user .* got 58"):
        bf.find_order(58, 0.05, 0.05)


def test_sets_are_mean_factor_and_order_statistic_of_the_two_halves():
    found, sets = beams.draw(0)
    samples = np.asarray(found.samples)
    for user, mine in enumerate(samples):
        first, second = mine[:100], mine[100:]
        center = first.mean(axis=0)
        factor = np.linalg.cholesky(np.cov(first.T))
        t = np.sort(np.sum(np.abs(np.linalg.solve(factor, (second - center).T)) ** 2, axis=0))
        np.testing.assert_allclose(sets.center[user], center, rtol=1e-12)
        np.testing.assert_allclose(sets.radius2[user], t[98], rtol=1e-10)
        root = np.sqrt(t[98]) * factor
        np.testing.assert_allclose(sets.root[user], root, atol=1e-10 * np.abs(root).max())
    assert sets.order == 99


@pytest.mark.parametrize("shape", bf.SHAPES)
def test_shape_has_its_pattern(shape):
    found, _ = beams.draw(0)
    root = np.asarray(bf.learn_ellipsoids(found.samples, shape=shape, antennas=2).root)
    block = np.arange(6) // {"full": 6, "block": 2}.get(shape, 1)
    assert np.all(root[:, block[:, None] != block[None]] == 0)
    if shape == "ball":
        np.testing.assert_allclose(root, root[:, :1, :1] * np.eye(6), rtol=1e-12)


def test_sets_cover_their_share_as_often_as_promised():
    generator = np.random.default_rng(0)
    draws = generator.normal(size=(2, 400, 200, 2))  # one antenna, 400 sets of 200 samples
    sets = bf.learn_ellipsoids((draws[0] + 1j * draws[1])[..., :1])
    distance = np.abs(np.asarray(sets.center))[:, 0]
    radius = np.abs(np.asarray(sets.root))[:, 0, 0]
    fresh = generator.normal(size=(2, 20_000))
    off = np.abs((fresh[0] + 1j * fresh[1])[None] - np.asarray(sets.center))
    covered = np.mean(off <= radius[:, None], axis=1)
    assert np.all(distance < 1.0)
    assert np.mean(covered >= 0.95) >= 0.93


def test_shapes_of_a_users_own_have_their_roots():
    shape = np.array([[2.0, 0.5j], [-0.5j, 1.0]])[None]
    root = np.asarray(bf.from_shapes(np.ones((1, 2)), shape).root)
    np.testing.assert_allclose(root @ root.conj().swapaxes(1, 2), shape, atol=1e-14)


def bad(**changes):
    values = {"antennas": 2, "pcomp": np.full((3, 3), 0.45)} | changes
    return lambda: bf.Network(**values)


EYE = np.eye(2)[None]

REFUSED = {
    "antennas": (bad(antennas=0), "needs antennas, a whole number of at least 1, got 0"),
    "pcomp of one axis": (bad(pcomp=np.ones(3)), r"needs pcomp of shape .* got \(3,\)"),
    "negative power": (bad(pcomp=np.full((3, 3), -1.0)), "needs pcomp at least 0 W"),
    "efficiency": (bad(eta=1.5), "needs eta above 0 and at most 1, got 1.5"),
    "limit": (bad(pmax=0.0), "needs pmax above 0 W; dBm are converted by from_dbm"),
    "target": (bad(gamma=-3.0), "needs gamma above 0, as ratios; .* got -3.0"),
    "shape": (bad(gamma=np.ones(4)), r"needs gamma of shape \(3,\), or one number, got \(4,\)"),
    "not Hermitian": (
        lambda: bf.from_shapes(np.ones((1, 2)), EYE + np.array([[0, 1], [0, 0]])),
        "need to be Hermitian",
    ),
    "singular": (
        lambda: bf.from_shapes(np.ones((1, 2)), np.ones((1, 2, 2))),
        "needs to be positive definite",
    ),
    "root": (
        lambda: bf.Ellipsoids(center=np.ones((1, 2)), root=np.ones((1, 3, 3))),
        r"got \(1, 2\) and \(1, 3, 3\)",
    ),
    "not finite": (
        lambda: bf.Ellipsoids(center=np.full((1, 2), np.nan), root=EYE),
        "need a finite center",
    ),
    "few for a covariance": (
        lambda: bf.learn_ellipsoids(np.ones((1, 12, 6))),
        "needs more than 13 samples",
    ),
    "constant samples": (
        lambda: bf.learn_ellipsoids(np.ones((1, 200, 2))),
        "positive definite",
    ),
    "name of a shape": (
        lambda: bf.learn_ellipsoids(np.ones((1, 200, 2)), shape="round"),
        "one of full, block, diagonal, ball, got 'round'",
    ),
    "size": (lambda: bf.draw(jax.random.key(0), size="huge"), "one of small, medium, got 'huge'"),
    "eps": (lambda: bf.find_order(100, 1.0, 0.05), "eps needs to be between 0 and 1, got 1.0"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.usefixtures("as_for_users")
def test_bad_input_is_refused_in_a_sentence(name):
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(("name", "given"), [("gamma", 300.0), ("pmax", 30.0)])
@pytest.mark.usefixtures("as_for_users")
def test_decibels_in_the_place_of_ratios_are_noticed(name, given):
    with pytest.warns(UserWarning, match=f"is unusual, got {given:g}: if it is in"):
        bad(**{name: given})()


def test_decibels_convert():
    assert float(bf.from_db(10.0)) == pytest.approx(10.0, rel=1e-14)
    assert float(bf.from_dbm(-102.0)) == pytest.approx(10.0**-13.2, rel=1e-12)
    assert float(bf.to_db(bf.from_db(-3.7))) == pytest.approx(-3.7, rel=1e-12)
