"""Declarations of penalties and the ranges of their parameters; untrue ones are refused."""

import jax.numpy as jnp
import pytest
from support import oracles

import sgl_jax as sgl


def every(name, lam):
    """The penalty with each of its shape parameters, and those."""
    return [(sgl.PENALTIES[name](lam, **shape), shape) for shape in oracles.SHAPES[name]]


@pytest.mark.parametrize("name", oracles.SCALARS)
@pytest.mark.parametrize("lam", [0.0, 0.7, 1e3])
def test_penalty_is_what_it_declares(name, lam):
    for penalty, _ in every(name, lam):
        sgl.check_penalty(penalty)


@pytest.mark.parametrize(
    ("penalty", "sentence"),
    [
        (sgl.ScalarPenalty(lambda t: jnp.log1p(t**2), 1.0, "concave"), "a phi that is concave,"),
        (sgl.ScalarPenalty(jnp.tanh, 1.0, "convex"), "a phi that is convex,"),
        (sgl.ScalarPenalty(lambda t: t * jnp.exp(-t), 1.0), "phi that is 0 at 0 and nondecreasing"),
    ],
)
def test_untrue_function_of_a_user_is_refused(penalty, sentence):
    with pytest.raises(ValueError, match="got ScalarPenalty where that fails at t=") as raised:
        sgl.check_penalty(penalty)
    assert sentence in str(raised.value)


class Declared(sgl.ElasticNet):
    """An elastic net whose declarations can be made untrue."""

    curvature = "unknown"
    bound, shift = 1.0, 0.0

    def semiconcavity(self):
        return self.bound * super().semiconcavity()

    def prox_phi(self, t, step_size):
        return super().prox_phi(t, step_size) + self.shift * t


@pytest.mark.parametrize(
    ("untrue", "sentence"),
    [
        ({"curvature": "concave"}, "curvature concave needs a phi that is concave, got"),
        ({"phi": lambda self, t: t**3}, r"half-quadratic needs a phi that is concave in t\^2, got"),
        ({"bound": 0.9}, r"semiconcavity 0.45 needs phi - 0.45 t\^2 / 2 to be concave, got"),
        ({"shift": 1e-3}, "needs a prox_phi that minimises its objective at step_size=0.01, got"),
    ],
)
def test_untrue_declaration_is_refused(untrue, sentence):
    sgl.check_penalty(Declared(0.5))
    with pytest.raises(ValueError, match=sentence):
        sgl.check_penalty(type("Untrue", (Declared,), untrue)(0.5))


@pytest.mark.parametrize("missing", ["curvature", "half_quadratic"])
def test_penalty_without_a_declaration_is_no_class(missing):
    declared = {"curvature": "convex", "half_quadratic": True}
    functions = {"phi": lambda self, t: t, "prox_phi": lambda self, t, step_size: t}
    del declared[missing]
    with pytest.raises(TypeError, match=f"got Silent without {missing}; state"):
        type("Silent", (sgl.NormPenalty,), functions | declared)


@pytest.mark.parametrize("name", oracles.SHAPES)
def test_rescaled_multiplies_the_strength_alone(name):
    for penalty, shape in every(name, 0.5):
        assert penalty.rescaled(3.0) == sgl.PENALTIES[name](1.5, **shape)


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        *[(name, {"lam": -1.0}, r"needs lam >= 0, got lam=-1\.0") for name in sgl.PENALTIES],
        ("l1", {"lam": float("nan")}, "L1 needs lam >= 0, got lam=nan"),
        ("scad", {"lam": 1.0, "a": 2.0}, r"SCAD needs a > 2, got a=2\.0"),
        ("mcp", {"lam": 1.0, "gamma": 0.0}, r"MCP needs gamma > 0, got gamma=0\.0"),
        ("transformed_l1", {"lam": 1.0, "a": 0.0}, r"TransformedL1 needs a > 0, got a=0\.0"),
        (
            "l1_minus_l2",
            {"lam": 1.0, "alpha": 1.5},
            r"L1MinusL2 needs alpha in \[0, 1\], got alpha=1",
        ),
        ("l1_minus_l2", {"lam": 1.0, "alpha": -0.5}, r"alpha in \[0, 1\], got alpha=-0\.5"),
    ],
)
def test_penalties_refuse_parameters_out_of_range(name, parameters, sentence):
    with pytest.raises(ValueError, match=sentence):
        sgl.PENALTIES[name](**parameters)
