"""Options of algorithms and schedules that are out of range, refused in a sentence."""

import pytest
from support.iterates import L1, RATE

import sgl_jax as sgl


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
