"""Every algorithm that keeps more than a prox does, step by step against its equations in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.problems import assert_same, descend, draw, gradients, run, small_lasso

import sgl_jax as sgl


RATE, LAM, STEPS = 0.05, 0.1, 40
L1 = sgl.Regularizer(sgl.L1(LAM))


pytestmark = pytest.mark.usefixtures("double", "standard_promotion")


def soft(w, threshold):
    return np.sign(w) * np.maximum(np.abs(w) - threshold, 0)


def slope(w):
    """The gradient of the loss of the lasso, in float64."""
    lasso = small_lasso()
    return lasso.a.T @ (lasso.a @ w - lasso.b) / len(lasso.b)


def start():
    return np.random.default_rng(3).standard_normal(100)


def trained(tx, steps=STEPS):
    """Parameters, sparse parameters and state after some steps."""
    w, state = descend(tx, small_lasso().loss, jnp.asarray(start()), steps)
    return np.asarray(w), np.asarray(sgl.sparse_params(state, w)), state


def assert_near(found, expected):
    np.testing.assert_array_equal(found == 0, expected == 0)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("restart", [False, True])
def test_fista_follows_its_equations(restart):
    y, x, t, restarts = start(), start(), 1.0, 0
    for _ in range(3 * STEPS):
        old, x = x, soft(y - RATE * slope(y), RATE * LAM)
        following = (1 + np.sqrt(1 + 4 * t**2)) / 2
        if restart and (y - x) @ (x - old) > 0:
            y, t, restarts = x, 1.0, restarts + 1
        else:
            y, t = x + (t - 1) / following * (x - old), following
    assert (restarts > 0) == restart
    found, sparse, _ = trained(sgl.fista(RATE, L1, restart=restart), 3 * STEPS)
    np.testing.assert_allclose(found, y, rtol=1e-9, atol=1e-12)
    assert_near(sparse, x)


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_rda_follows_its_equations(power):
    w, total = start(), np.zeros(100)
    for count in range(1, STEPS + 1):
        total += slope(w)
        step = count * RATE / count**power
        w = soft(start() - RATE * total / count**power, step * LAM)
    found, sparse, _ = trained(sgl.rda(RATE, L1, power=power))
    assert 0 < np.sum(w == 0) < 100
    np.testing.assert_array_equal(found, sparse)
    assert_near(sparse, w)


def test_admm_follows_its_equations():
    w, z, u = start(), None, np.zeros(100)
    for count in range(STEPS):
        rho = 1.0 if count < 10 else 2.0
        if count == 10:
            u = u / 2
        if count == 0:
            z = soft(w, LAM / rho)
        elif count % 3 == 0:
            old, z = z, soft(w + u, LAM / rho)
            u = u + w - z
            residuals = np.linalg.norm(w - z), rho * np.linalg.norm(z - old)
        w = w - RATE * (slope(w) + rho * (w - z + u))
    schedule = optax.piecewise_constant_schedule(1.0, {10: 2.0})
    found, sparse, state = trained(sgl.admm(RATE, L1, rho=schedule, period=3, base=optax.sgd))
    np.testing.assert_allclose(found, w, rtol=1e-9, atol=1e-12)
    assert 0 < np.sum(z == 0) < 100
    assert_near(sparse, z)
    found = [float(optax.tree.get(state, name)) for name in ("primal", "dual")]
    np.testing.assert_allclose(found, residuals, rtol=1e-9)


def test_admm_takes_a_constraint():
    top = sgl.Regularizer(sgl.TopK(5))
    _, sparse, state = trained(sgl.admm(RATE, top, rho=1.0, period=5, base=optax.sgd), 1500)
    np.testing.assert_array_equal(np.flatnonzero(sparse), range(5))
    np.testing.assert_allclose(sparse[:5], 3.0, rtol=1e-3)
    assert float(optax.tree.get(state, "primal")) < 1e-2


def test_relaxed_splitting_follows_its_equations():
    w = start()
    for count in range(1, STEPS + 1):
        w = w - RATE * (slope(w) + 2.0 * (w - soft(w, LAM / 2)))
        if count % 7 == 0:
            w = soft(w, LAM / 2)
    tx = sgl.relaxed_splitting(RATE, L1, beta=2.0, period=7)
    found, sparse, state = trained(tx)
    np.testing.assert_allclose(found, w, rtol=1e-9, atol=1e-12)
    assert_near(sparse, soft(w, LAM / 2))
    gap = np.linalg.norm(w - sparse) / np.linalg.norm(w)
    envelope = LAM * np.abs(sparse).sum() + np.sum((w - sparse) ** 2)
    np.testing.assert_allclose(sgl.splitting_gap(state, jnp.asarray(found)), gap)
    np.testing.assert_allclose(sgl.penalty_value(state, jnp.asarray(found)), envelope)


def test_relaxed_splitting_has_the_zeros_in_the_weights_at_its_period():
    found, sparse, _ = trained(sgl.relaxed_splitting(RATE, L1, beta=2.0, period=8))
    assert np.sum(found == 0) > 0
    assert np.sum(sparse == 0) >= np.sum(found == 0)


@pytest.mark.parametrize("grouping", [sgl.by_layer(), sgl.by_tree()], ids=["layer", "tree"])
def test_magnitude_removes_the_smallest_along_a_cubic(grouping):
    sizes = {"a": 50, "b": 30}
    params = {
        name: jnp.asarray(np.random.default_rng(n).standard_normal(n), jnp.float32)
        for name, n in sizes.items()
    }
    tx = sgl.magnitude(
        0.0, sgl.Regularizer(sgl.TopK(0.2), grouping), begin=2, steps=10, period=3, base=optax.sgd
    )
    groups = [["a"], ["b"]] if grouping == sgl.by_layer() else [["a", "b"]]
    state, before = tx.init(params), params
    for count in range(16):
        updates, state = tx.update(jax.tree.map(jnp.ones_like, params), state, params)
        params = optax.apply_updates(params, updates)
        last = max((k for k in range(2, count + 1, 3)), default=None)
        for group in groups:
            size = sum(sizes[name] for name in group)
            final = int(0.2 * size)
            left = size
            if last is not None:
                share = (1 - min((last - 2) / 10, 1)) ** 3
                left = final + int(np.ceil(np.float32(share) * (size - final)))
            whole = np.concatenate([before[name] for name in group])
            found = np.concatenate([params[name] for name in group])
            kept = np.sort(np.argsort(-np.abs(whole))[:left])
            np.testing.assert_array_equal(np.flatnonzero(found), kept)
            np.testing.assert_array_equal(found[kept], whole[kept])
    assert left == final


def test_hspg_follows_its_equations():
    w, lam = np.random.default_rng(5).standard_normal((20, 3)), 0.3
    goal = np.where(np.arange(20)[:, None] < 5, 2.0, 0.0) * np.ones((20, 3))
    first = w
    for count in range(60):
        norms = np.linalg.norm(w, axis=1, keepdims=True)
        trial = w - 0.1 * (w - goal + lam * np.sqrt(3) * w / np.where(norms > 0, norms, 1))
        back = (trial * w).sum(1, keepdims=True) < 0.2 * norms**2
        w = np.where((back | (norms == 0)) & (count >= 10), 0, trial)
    assert 0 < np.sum(np.all(w == 0, axis=1)) < 20
    regularizer = sgl.Regularizer(sgl.L1(lam), sgl.by_neuron())
    tx = sgl.hspg(0.1, regularizer, begin=10, epsilon=0.2)
    found, state = descend(
        tx, lambda p: jnp.sum((p["w"] - goal) ** 2) / 2, {"w": jnp.asarray(first)}, 60
    )
    assert_near(np.asarray(sgl.sparse_params(state, found)["w"]), w)


@pytest.mark.parametrize("adam", [False, True])
def test_schedule_free_follows_its_equations(adam):
    y = x = z = start()
    v, total = np.zeros(100), 0.0
    for count in range(1, STEPS + 1):
        d = np.ones(100)
        if adam:
            v = 0.9 * v + 0.1 * slope(y) ** 2
            d = np.sqrt(v / (1 - 0.9**count)) + 1e-8
        z = soft(z - RATE * slope(y) / d, RATE * LAM / d)
        total += RATE**2
        share = RATE**2 / total
        x = (1 - share) * x + share * z
        y = 0.9 * x + 0.1 * z
    direction = sgl.directions.adam(b1=0.0, b2=0.9) if adam else None
    found, sparse, state = trained(sgl.schedule_free(RATE, L1, direction=direction))
    np.testing.assert_allclose(found, y, rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(sparse == 0, z == 0)
    np.testing.assert_allclose(sparse, z, rtol=1e-8, atol=1e-10)
    average = optax.contrib.schedule_free_eval_params(state, jnp.asarray(found))
    np.testing.assert_allclose(average, x, rtol=1e-7, atol=1e-9)


def test_schedule_free_without_a_regularizer_is_that_of_optax():
    expected = optax.contrib.schedule_free(optax.sgd(RATE), RATE, 0.9, 2.0)
    found, other = (
        run(tx, draw(0, 0.3), gradients(5))[0] for tx in (sgl.schedule_free(RATE), expected)
    )
    assert_same(found, other, rtol=1e-12)


@pytest.mark.parametrize("name", ["fista", "rda"])
def test_without_a_regularizer_the_weights_have_no_zeros(name):
    found, sparse, _ = trained(sgl.ALGORITHMS[name](RATE, None))
    nothing = sgl.Regularizer(sgl.L1(0.0))
    expected, _, _ = trained(sgl.ALGORITHMS[name](RATE, nothing))
    np.testing.assert_array_equal(found, expected)
    assert not np.any(sparse == 0)


def test_keep_support_trains_what_is_not_zero():
    params = draw(0, 0.3)
    params["conv"]["kernel"] = params["conv"]["kernel"].at[..., 1].set(0)
    params["fc"]["bias"] = jnp.zeros(3)
    tx = optax.chain(optax.adam(RATE), sgl.keep_support())
    found, state = run(tx, params, gradients(5))
    plain, _ = run(optax.adam(RATE), params, gradients(5))
    np.testing.assert_array_equal(found["conv"]["kernel"][..., 1], 0)
    for layer, leaf, at in (("conv", "kernel", np.s_[..., 0]), ("fc", "bias", np.s_[:])):
        np.testing.assert_allclose(found[layer][leaf][at], plain[layer][leaf][at], rtol=1e-12)
    assert not np.any(np.asarray(found["fc"]["bias"]) == 0)
    sgl.check(state)
    noise = optax.stateless(lambda updates, _: jax.tree.map(lambda u: u + 0.1, updates))
    _, state = run(optax.chain(sgl.keep_support(), noise), params, gradients(2))
    with pytest.raises(ValueError, match="must be the last link"):
        sgl.check(state)


@pytest.mark.parametrize(
    ("build", "message"),
    {
        "rho": (lambda: sgl.admm(RATE, L1, rho=0.0), "admm needs rho > 0, got rho=0.0."),
        "admm": (lambda: sgl.admm(RATE, L1, period=0), "admm needs period >= 1, got period=0."),
        "beta": (
            lambda: sgl.relaxed_splitting(RATE, L1, beta=0.0),
            "relaxed_splitting needs beta > 0, got beta=0.0.",
        ),
        "relaxed": (
            lambda: sgl.relaxed_splitting(RATE, L1, period=0),
            "relaxed_splitting needs period >= 1, got period=0.",
        ),
        "magnitude": (
            lambda: sgl.magnitude(RATE, L1),
            "magnitude needs a Regularizer with TopK, which says what is to be left, got L1.",
        ),
        "steps": (
            lambda: sgl.magnitude(RATE, sgl.Regularizer(sgl.TopK(1)), steps=0),
            "magnitude needs begin >= 0, steps >= 1 and period >= 1, got begin=0, steps=0, "
            "period=100.",
        ),
        "epsilon": (
            lambda: sgl.hspg(RATE, L1, epsilon=1.0),
            "hspg needs begin >= 0 and epsilon in [0, 1), got begin=0, epsilon=1.0.",
        ),
        "hspg": (
            lambda: sgl.hspg(RATE, sgl.Regularizer(sgl.L0(1.0))),
            "add_penalty_gradient needs a penalty with a gradient, got L0; use apply_prox or "
            "sgl_transform.",
        ),
        "rda": (lambda: sgl.rda(RATE, L1, power=-1.0), "rda needs power >= 0, got power=-1.0."),
        "fista": (
            lambda: sgl.fista(-RATE, L1),
            "fista needs learning_rate >= 0, got learning_rate=-0.05.",
        ),
        "b1": (
            lambda: sgl.schedule_free(RATE, L1, b1=0.0),
            "schedule_free needs b1 in (0, 1], got b1=0.0.",
        ),
        "warmup": (lambda: sgl.warmup(1.0, -1), "warmup needs steps >= 0, got steps=-1."),
        "ramp": (
            lambda: sgl.ramp(0.0, 1.0, steps=0),
            "ramp needs steps >= 1 and power > 0, got steps=0, power=3.0.",
        ),
    }.values(),
)
def test_bad_options_are_refused_in_a_sentence(build, message):
    with pytest.raises(ValueError, match="needs") as error:
        build()
    assert str(error.value) == message


def test_warmup_rises_linearly_and_stays():
    found = [float(sgl.warmup(2.0, 4)(count)) for count in range(7)]
    np.testing.assert_allclose(found, [0, 0.5, 1, 1.5, 2, 2, 2])
    assert sgl.warmup(2.0, 0)(0) == 2.0


def test_ramp_is_the_cubic_between_its_ends():
    ramp = sgl.ramp(0.1, 0.9, begin=2, steps=4)
    expected = [0.1, 0.1, 0.1, 0.9 - 0.8 * 0.75**3, 0.8, 0.9 - 0.8 * 0.25**3, 0.9, 0.9]
    np.testing.assert_allclose([float(ramp(count)) for count in range(8)], expected, rtol=1e-6)


def test_warmup_of_a_strength_holds_the_zeros_back():
    tx = sgl.prox_sgd(RATE, sgl.Regularizer(sgl.L1(sgl.warmup(LAM, 10))))
    counts = [np.sum(trained(tx, steps)[1] == 0) for steps in (1, 40)]
    at_once = np.sum(trained(sgl.prox_sgd(RATE, L1), 1)[1] == 0)
    assert counts[0] == 0 < min(counts[1], at_once)
