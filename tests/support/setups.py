"""The one table of algorithms, each set up for ten steps, for wrappers and for the lasso.

An algorithm is a row of :data:`SETUPS`; :data:`METHODS` has the links alone beside them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import optax

import sgl_jax as sgl
from support.lasso import L1, RATE as LASSO_RATE
from support.problems import RATE


BOTH = sgl.SparseGroup(sgl.L1(0.1), sgl.L1(0.02))


class Method(NamedTuple):
    """A way to train with one link of ours.

    Attributes:
      build: ``build(number, lam, factory)``; the number is beta, a step size or a learning rate,
        ``factory`` wraps the function that makes the link.
      lam: a strength that leaves, after ten of :func:`gradients`, some zeros.
      name: of that strength in the state.
      number_name: of the number in the state.
    """

    build: Callable
    lam: float
    name: str
    number_name: str = "step_size"

    def __call__(self, number=0.05, lam=None, factory=lambda function: function):
        return self.build(number, self.lam if lam is None else lam, factory)


def splitting(base):
    """The paper's link before a base optimizer."""

    def build(beta, lam, factory):
        return optax.chain(factory(sgl.sgl_transform)(sgl.TransformedL1(lam), beta=beta), base)

    return Method(build, 0.005, "lam", "beta")


def prox_last(base):
    """A base optimizer before a proximal step."""

    def build(step_size, lam, factory):
        both = sgl.SparseGroup(sgl.L1(lam), sgl.L1(0.05))
        return optax.chain(base, factory(sgl.apply_prox)(both, step_size))

    return Method(build, 0.5, "lam")


def prox_adam(rate, lam, factory):
    return factory(sgl.prox_adam)(rate, sgl.SparseGroup(sgl.L1(lam), sgl.L1(0.005)))


def prox_sgd(rate, lam, factory):
    return factory(sgl.prox_sgd)(rate, sgl.Regularizer(sgl.SCAD(lam)), momentum=0.9)


def sparse_group(algorithm, group_lam=0.005, **options):
    """An algorithm whose number is its learning rate, on a sparse group lasso."""

    def build(rate, lam, factory):
        def bound(learning_rate, regularizer):
            return algorithm(learning_rate, regularizer, **options)

        return factory(bound)(rate, sgl.SparseGroup(sgl.L1(lam), sgl.L1(group_lam)))

    return build


def coupled(algorithm, name, lam, **options):
    """An algorithm whose number is its coupling, on a sparse group lasso."""

    def build(number, lam, factory):
        def bound(learning_rate, regularizer, number):
            return algorithm(learning_rate, regularizer, **{name: number}, **options)

        both = sgl.SparseGroup(sgl.L1(lam), sgl.L1(0.0005))
        return factory(bound)(RATE, both, number)

    return Method(build, lam, "lam", name)


def hspg(rate, lam, factory):
    regularizer = sgl.Regularizer(sgl.L1(lam), sgl.by_entry(only="kernel"))
    return factory(lambda rate, regularizer: sgl.hspg(rate, regularizer))(rate, regularizer)


EXCLUSIVE = sgl.SparseGroup(sgl.Exclusive(2.0), sgl.L1(0.05), weight=None)


def cges(rate, lam, factory):
    both = sgl.SparseGroup(sgl.Exclusive(lam), sgl.L1(0.005), weight=None)
    return factory(lambda rate, regularizer: sgl.cges(rate, regularizer))(rate, both)


def magnitude(rate, density, factory):
    regularizer = sgl.Regularizer(sgl.TopK(density), sgl.by_layer(only="kernel"))

    def bound(rate, regularizer):
        return sgl.magnitude(rate, regularizer, begin=2, steps=5, period=2, base=optax.sgd)

    return factory(bound)(rate, regularizer)


LEVELS = sgl.Regularizer(sgl.Levels(2, zero=True), sgl.by_layer(only="kernel"))


def incremental(rate, number, factory):
    def bound(rate, regularizer):
        return sgl.incremental(rate, regularizer, shares=(0.5,), steps=6, base=optax.sgd)

    return factory(bound)(rate, LEVELS)


def straight_through(rate, number, factory):
    def bound(rate, regularizer):
        return sgl.straight_through(rate, regularizer, refit=3, base=optax.sgd)

    return factory(bound)(rate, LEVELS)


class Setup(NamedTuple):
    """An algorithm, set up.

    Attributes:
      method: a way to train with it whose numbers can be changed; ``None`` for the paper's
        splitting, whose link is in :data:`METHODS` with several base optimizers.
      lasso: makes it, ready to solve the lasso in 1500 steps.
      ends: exact zeros and objective where these end, if it has another objective than the lasso.
      regularizer: one that shows its zeros after ten steps on a small tree.
      options: likewise.
    """

    method: Method | None
    lasso: Callable
    ends: tuple[int, float] | None = None
    regularizer: Any = BOTH
    options: dict[str, Any] = {}  # noqa: RUF012


SETUPS = {
    "admm": Setup(
        coupled(sgl.admm, "rho", 0.02, period=2, base=optax.sgd),
        lambda: sgl.admm(LASSO_RATE, L1, rho=1.0, base=optax.sgd),
        options={"rho": 1.0, "period": 2},
    ),
    "cges": Setup(
        Method(cges, 0.5, "lam"),
        lambda: sgl.cges(
            LASSO_RATE,
            sgl.SparseGroup(sgl.Exclusive(0.0), sgl.L1(0.1), sgl.by_entry(), weight=None),
            least=0.0,
        ),
        regularizer=EXCLUSIVE,
    ),
    "fista": Setup(
        Method(sparse_group(sgl.fista), 0.5, "lam"),
        lambda: sgl.fista(LASSO_RATE, L1),
    ),
    "hspg": Setup(
        Method(hspg, 0.3, "lam"),
        lambda: sgl.hspg(LASSO_RATE, L1, begin=500),
        options={"epsilon": 0.5},
    ),
    "incremental": Setup(
        Method(incremental, 0.5, ""),
        lambda: sgl.incremental(
            LASSO_RATE, sgl.Regularizer(sgl.Levels(2, zero=True)), steps=1000, base=optax.sgd
        ),
        (15, 18.0758),
        LEVELS,
        {"shares": (0.5,), "steps": 6},
    ),
    "magnitude": Setup(
        Method(magnitude, 0.5, ""),
        lambda: sgl.magnitude(
            LASSO_RATE, sgl.Regularizer(sgl.TopK(5)), steps=1000, period=10, base=optax.sgd
        ),
        (95, 1.5000),
        sgl.Regularizer(sgl.TopK(0.5), sgl.by_layer(only="kernel")),
        {"steps": 4, "period": 1},
    ),
    "prox_adam": Setup(
        Method(prox_adam, 0.03, "lam"),
        lambda: sgl.prox_adam(LASSO_RATE, L1),
    ),
    "prox_sgd": Setup(
        Method(prox_sgd, 0.5, "lam"),
        lambda: sgl.prox_sgd(LASSO_RATE, L1),
    ),
    "rda": Setup(
        Method(sparse_group(sgl.rda, power=0.25), 0.3, "lam"),
        lambda: sgl.rda(LASSO_RATE, L1, power=0.0),
        options={"power": 0.0},
    ),
    "relaxed_splitting": Setup(
        coupled(sgl.relaxed_splitting, "beta", 0.005, period=4),
        lambda: sgl.relaxed_splitting(LASSO_RATE, L1, beta=10.0, period=100),
        (95, 1.47296),
        options={"beta": 1.0, "period": 4},
    ),
    "schedule_free": Setup(
        Method(sparse_group(sgl.schedule_free), 0.5, "lam"),
        lambda: sgl.schedule_free(0.2, L1),
    ),
    "splitting": Setup(
        None,
        lambda: sgl.splitting(
            LASSO_RATE,
            sgl.SparseGroup(sgl.L1(0.1), sgl.L1(0.0), sgl.by_layer()),
            beta=10.0,
            base=optax.sgd,
        ),
        (95, 1.47151),
    ),
    "straight_through": Setup(
        Method(straight_through, 0.5, ""),
        # Codes go to and fro until the rate is zero.
        lambda: sgl.straight_through(
            optax.piecewise_constant_schedule(LASSO_RATE, {60: 0.0}),
            sgl.Regularizer(sgl.Levels(2, zero=True)),
            base=optax.sgd,
        ),
        (65, 309.4842),
        LEVELS,
        {"refit": 3},
    ),
    "subgradient": Setup(
        Method(sparse_group(sgl.subgradient, base=optax.sgd), 0.3, "lam"),
        lambda: sgl.subgradient(LASSO_RATE, L1, base=optax.sgd),
        (0, 1.49023),
    ),
}
"""Every algorithm of the catalogue."""

SUBGRADIENT = SETUPS["subgradient"].method
"""The one that sets no zeros."""

METHODS = {
    "splitting_sgd": splitting(optax.sgd(RATE)),
    "splitting_adam": splitting(optax.adam(0.01)),
    "splitting_adamw": splitting(optax.adamw(0.01)),
    "splitting_lion": splitting(optax.lion(0.01)),
    "apply_prox_sgd": prox_last(optax.sgd(RATE, momentum=0.9)),
    "apply_prox_lion": prox_last(optax.lion(0.01)),
} | {
    name: setup.method
    for name, setup in SETUPS.items()
    if setup.method is not None and setup.method is not SUBGRADIENT
}
"""Every way that sets zeros: the links behind several base optimizers, and the algorithms."""

CONVERGENT = [name for name, setup in SETUPS.items() if setup.ends is None]
"""The algorithms whose fixed point is the minimiser of the lasso."""
