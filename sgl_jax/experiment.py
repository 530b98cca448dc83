"""One training run: a Config in, a Record out. The only place where strings become objects."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar, cast

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from sgl_jax import train
from sgl_jax._pytree import flatten_by_path
from sgl_jax._typing import Params, Path, Schedule
from sgl_jax.algorithms import ALGORITHMS
from sgl_jax.data import DATASETS, Dataset
from sgl_jax.metrics import Sparsity, live_groups, sparsity
from sgl_jax.models import MODELS
from sgl_jax.penalties import L1, PENALTIES
from sgl_jax.regularizers import SparseGroup
from sgl_jax.transforms import sparse_params, splitting_gap


__all__ = ["Config", "Layer", "Record", "lookup", "run"]

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Config:
    """What to train, on what, and how.

    Attributes:
      algorithm: a name in ``ALGORITHMS``; ``None`` trains the dense twin with Adam.
      penalty: of single weights, a name in ``PENALTIES``.
      lam: strength of the penalty of single weights, >= 0.
      group_lam: strength of the group lasso, >= 0.
      beta: coupling of the splitting, > 0; the other algorithms have none.
      model: a name in ``MODELS``.
      data: a name in ``DATASETS``.
      learning_rate: at the first step; it falls along a cosine to a hundredth.
      epochs: passes over the data, at least 1.
      batch_size: examples per step.
      seed: of the initial weights and of the order of the examples.
    """

    algorithm: str | None = "prox_adam"
    penalty: str = "l1"
    lam: float = 3e-4
    group_lam: float = 5e-5
    beta: float = 3e-2
    model: str = "lenet5"
    data: str = "digits"
    learning_rate: float = 2e-3
    epochs: int = 30
    batch_size: int = 64
    seed: int = 0


class Layer(NamedTuple):
    """A grouped leaf of the sparse parameters.

    Attributes:
      kept: weights that are not exactly zero.
      weights: all of them.
      live: groups with such a weight.
      groups: all of them.
    """

    kept: int
    weights: int
    live: int
    groups: int


class Record(NamedTuple):
    """What came out, at the last epoch.

    Attributes:
      config: what went in.
      error: test error of the trained parameters ``w``, in [0, 1].
      sparse_error: test error of the sparse parameters (``v`` of a splitting).
      gap: ``||w - v|| / ||w||``; 0 but for a splitting.
      sparsity: of the sparse parameters.
      layers: the sparse parameters, leaf by leaf.
    """

    config: Config
    error: float
    sparse_error: float
    gap: float
    sparsity: Sparsity
    layers: dict[Path, Layer]


def lookup(kind: str, catalogue: Mapping[str, T], name: str) -> T:
    """An entry of a catalogue by name.

    Raises:
      ValueError: no entry has that name.
    """
    if name not in catalogue:
        raise ValueError(f"unknown {kind} {name!r}; choose from {', '.join(sorted(catalogue))}.")
    return catalogue[name]


def optimizer(config: Config, rate: Schedule) -> optax.GradientTransformation:
    """The Optax transformation of a run."""
    if config.algorithm is None:
        return optax.adam(rate)
    algorithm = lookup("algorithm", ALGORITHMS, config.algorithm)
    entry = lookup("penalty", PENALTIES, config.penalty)(lam=config.lam)  # pyrefly: ignore
    takes = inspect.signature(algorithm).parameters
    options = {"beta": config.beta} if "beta" in takes else {}
    return algorithm(rate, SparseGroup(entry, L1(config.group_lam)), **options)


def run(config: Config, on_epoch: Callable[[int, Any], None] = lambda epoch, loss: None) -> Record:
    """Trains one network.

    Args:
      config: what to train.
      on_epoch: called after each epoch with its number, from 1, and its mean loss, still on the
        device.

    Raises:
      ValueError: an unknown name, or a value out of its range.
    """
    load = lookup("data set", DATASETS, config.data)
    build = lookup("model", MODELS, config.model)
    if config.epochs < 1:
        raise ValueError(f"A run needs epochs >= 1, got epochs={config.epochs}.")
    data = load()
    steps = config.epochs * (len(data.y_train) // config.batch_size)
    rate = optax.cosine_decay_schedule(config.learning_rate, max(steps, 1), alpha=0.01)
    tx = optimizer(config, rate)
    model = build(classes=data.classes, rngs=nnx.Rngs(config.seed))
    network, params, rest = train.split(cast(nnx.Module, model))
    state = train.init_state(tx, params, rest)
    images, labels = jnp.asarray(data.x_train), jnp.asarray(data.y_train)
    keys = jax.random.split(jax.random.key(config.seed), config.epochs)
    for epoch, key in enumerate(keys, start=1):
        state, loss = train.train_epoch(
            key, network.forward, tx, state, images, labels, batch_size=config.batch_size
        )
        on_epoch(epoch, loss)
    return _record(config, network, state, data)


def _record(
    config: Config, network: train.Network, state: train.TrainState, data: Dataset
) -> Record:
    def error(params: Params) -> float:
        variables = (params, state.rest)
        return train.evaluate(network.apply, variables, data.x_test, data.y_test).error

    sparse, gap = state.params, 0.0
    if config.algorithm is not None:
        sparse = sparse_params(state.opt_state, state.params)
        gap = float(splitting_gap(state.opt_state, state.params))
    shares = Sparsity(*(float(share) for share in sparsity(sparse)))
    return Record(config, error(state.params), error(sparse), gap, shares, _layers(sparse))


def _layers(params: Params) -> dict[Path, Layer]:
    leaves, _ = flatten_by_path(params)
    return {
        path: Layer(
            int(jnp.count_nonzero(leaves[path])), leaves[path].size, int(live.live), live.count
        )
        for path, live in live_groups(params).items()
    }
