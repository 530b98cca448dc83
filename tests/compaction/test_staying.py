"""Dead channels that stay are in the report, each with the reason."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sgl_jax as sgl


def drawn():
    """Parameters of two layers of eight units, unit 3 of which is zero, made and read."""
    draw = np.random.default_rng(0)
    params = {"w": draw.normal(size=(6, 8)), "o": draw.normal(size=(8, 2))}
    params["w"][:, 3] = params["o"][3] = 0.0
    return {name: jnp.asarray(leaf, jnp.float32) for name, leaf in params.items()}


def plain(p, x):
    return jax.nn.relu(x @ p["w"]) @ p["o"]


def quantised(p, x):
    def rounded(w):
        scale = jnp.max(jnp.abs(w), axis=0, keepdims=True) / 127 + 1e-12
        return jnp.round(w / scale) * scale

    return jax.nn.relu(x @ rounded(p["w"])) @ rounded(p["o"])


def with_largest(p, x):
    h = jax.nn.relu(x @ p["w"])
    return h @ p["o"], h.max(-1)


def given_back(p, x):
    h = jax.nn.relu(x @ p["w"])
    return h @ p["o"], h


def weighted(p, x):
    h = jax.nn.sigmoid(x @ p["w"])
    return h @ p["o"], h @ jnp.arange(8.0)


CASES = {
    "protected": (plain, {"protect": "w"}, "w is protected"),
    "rounded": (plain, {"round_to": 8}, "a multiple of 8 is kept"),
    "quantised": (quantised, {}, r"reduce_max at .*test_staying.py:\d+ \(quantised.*whole"),
    "extremum": (with_largest, {}, r"reduce_max at .*test_staying.py:\d+ \(with_largest\) .*whole"),
    "output": (given_back, {}, "it is an output of the network"),
    "read elsewhere": (weighted, {}, r"logistic at .*\(weighted\) may make it other than zero"),
}


@pytest.mark.parametrize("case", CASES)
def test_dead_channel_that_stays_is_reported(case):
    apply, options, why = CASES[case]
    small = sgl.compact(apply, drawn(), jnp.ones((2, 6)), **options)
    assert small.params["w"].shape == (6, 8)
    (said,) = small.report.staying
    assert said.startswith("1 of w: ")
    assert re.search(why, said)
    assert f"zero, but kept: {said}" in str(small.report)


def test_what_goes_and_what_lives_is_not_reported():
    assert sgl.compact(plain, drawn(), jnp.ones((2, 6))).report.staying == ()
    alive = {name: jnp.ones(leaf.shape) for name, leaf in drawn().items()}
    assert sgl.compact(with_largest, alive, jnp.ones((2, 6))).report.staying == ()


def test_channel_that_is_read_by_zeros_alone_is_reported():
    params = drawn() | {"w": jnp.ones((6, 8))}
    small = sgl.compact(lambda p, x: (plain(p, x), (x @ p["w"]).sum(-1)), params, jnp.ones((2, 6)))
    (said,) = small.report.staying
    assert "reduce_sum" in said
    assert "reads it" in said


def test_channel_is_followed_to_the_operation_that_revives_it():
    def apply(p, x):
        return jax.nn.relu(x @ p["w"] + jnp.abs(x[:, :1])) @ p["o"], (x @ p["w"]).sum(-1)

    params = drawn() | {"o": jnp.ones((8, 2))}
    (said,) = sgl.compact(apply, params, jnp.ones((2, 6))).report.staying
    assert re.search(r"1 of w: add at .* may make it other than zero", said)


def test_no_groups_are_refused_with_the_reasons():
    message = "got none among those of o, w: .*reduce_max at .* needs it whole"
    with pytest.raises(ValueError, match=message):
        sgl.channel_groups(with_largest, drawn(), jnp.ones((2, 6)))


def test_report_comes_back_from_disk(tmp_path):
    small = sgl.compact(plain, drawn(), jnp.ones((2, 6)), protect="w")
    sgl.save_compact(tmp_path / "small", small)
    again = sgl.load_compact(tmp_path / "small", plain, drawn())
    assert again.report.staying == small.report.staying != ()
