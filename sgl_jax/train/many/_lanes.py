"""What the lanes are: trees whose leaves have one more axis in front, a row per lane."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Int

from sgl_jax._util.typing import Params
from sgl_jax.train import TrainState


__all__ = ["grid", "init_many", "lane", "lanes_of", "stack"]

_NAMED = re.compile(r"(?:strengths|hyperparams)/(\w+)$")


def grid(**values: Iterable[Any]) -> dict[str, np.ndarray]:
    """Every combination of the values, the last name's changing fastest.

    Args:
      **values: by name, what it is to be.

    Returns:
      By name, its value in each lane.

    Example:
      >>> grid(seed=[0, 1], lam=[1e-4, 3e-4])["seed"].tolist()
      [0, 0, 1, 1]
    """
    columns = [np.asarray(list(column)) for column in values.values()]
    places = np.indices([len(column) for column in columns]).reshape(len(columns), -1)
    rows = (column[at] for column, at in zip(columns, places, strict=True))
    return dict(zip(values, rows, strict=True))


def stack(trees: Sequence[Any]) -> Any:
    """Trees of one structure as the lanes of one tree.

    Args:
      trees: one per lane, such as the parameters of a model from several seeds.
    """
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def lane(tree: Any, index: int | Int[Array, ""]) -> Any:
    """The tree of one lane.

    Args:
      tree: what has lanes, such as the states of :func:`train_many`.
      index: which lane, from 0.
    """
    return jax.tree.map(lambda leaf: leaf[index], tree)


def init_many(
    tx: optax.GradientTransformation,
    params: Params,
    rest: Any = (),
    hyperparams: Mapping[str, Any] | None = None,
) -> TrainState:
    """The states of all lanes before the first step, on arrays of their own.

    A hyperparameter is whatever the optimizer reads from its state: every strength of a link of
    this package that was given as a number (``lam``, ``entry_lam``, ``group_lam``, ``beta``; the
    learning rate of a proximal optimizer is its ``step_size``), and every number behind
    ``optax.inject_hyperparams``. All that go by one name are set.

    Args:
      tx: any Optax transformation.
      params: the parameters, every leaf with an axis of lanes in front; see :func:`stack`.
      rest: the model's other leaves, likewise; what is no array is the same in all lanes.
      hyperparams: by name, the value in each lane; see :func:`grid`.

    Raises:
      ValueError: leaves or values that differ in the number of lanes, a name that the optimizer's
        state does not have, or one that an update overwrites, as a schedule does.
    """
    lanes = _same_lanes((params, rest), hyperparams or {})
    opt_state = jax.vmap(tx.init)(params)
    for name, values in (hyperparams or {}).items():
        opt_state = _written(opt_state, name, values)
    if hyperparams:
        _check_kept(tx, lane(params, 0), lane(opt_state, 0), tuple(hyperparams))
    state = TrainState(params, rest, opt_state, jnp.zeros(lanes, jnp.int32))
    return jax.tree.map(lambda leaf: _own(leaf, lanes), state)


def lanes_of(states: TrainState) -> int:
    """How many lanes the states have."""
    if jnp.ndim(states.step) != 1:
        raise ValueError(
            f"Lanes need states with one step count each, got one of shape "
            f"{jnp.shape(states.step)}: make them with init_many."
        )
    return len(states.step)


def _same_lanes(trees: Any, hyperparams: Mapping[str, Any]) -> int:
    arrays = [leaf for leaf in jax.tree.leaves(trees) if isinstance(leaf, Array | np.ndarray)]
    columns = [*arrays, *map(np.asarray, hyperparams.values())]
    found = {column.shape[0] if column.ndim else 0 for column in columns}
    if len(found) != 1 or 0 in found:
        sizes = {name: np.shape(values) for name, values in hyperparams.items()}
        lanes = sorted({leaf.shape[0] if leaf.ndim else 0 for leaf in arrays})
        raise ValueError(
            "init_many needs one and the same number of lanes in all leaves and hyperparameters, "
            f"got leaves with {lanes} and hyperparameters of shapes {sizes}: stack the "
            "parameters and give every hyperparameter a value per lane."
        )
    return found.pop()


def _written(opt_state: optax.OptState, name: str, values: Any) -> optax.OptState:
    """The state with the values in every leaf of that name, in the leaf's own dtype."""
    found = [leaf for _, leaf in optax.tree.get_all_with_path(opt_state, name)]
    if not found or not all(isinstance(leaf, Array) for leaf in found):
        raise ValueError(
            f"A hyperparameter needs a number of its name in the optimizer's state, got {name!r}: "
            f"it has {_names(opt_state) or 'none'}, and inject_hyperparams adds those of Optax."
        )
    column = jnp.asarray(values, found[0].dtype)
    if any(leaf.shape != column.shape for leaf in found):
        raise ValueError(
            f"Hyperparameter {name!r} needs values of the shape {found[0].shape}, got "
            f"{column.shape}: give one per lane."
        )
    changed = optax.tree.set(opt_state, **{name: column})
    return jax.tree.map(
        lambda old, new: old if new is old else new.astype(old.dtype), opt_state, changed
    )


def _names(opt_state: optax.OptState) -> str:
    """The names of strengths and of injected numbers."""
    keyed, _ = jax.tree_util.tree_flatten_with_path(opt_state)
    paths = (jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in keyed)
    return ", ".join(sorted({found.group(1) for found in map(_NAMED.search, paths) if found}))


def _check_kept(
    tx: optax.GradientTransformation, params: Params, opt_state: optax.OptState, names: tuple
) -> None:
    """Refuses a leaf that an update writes: a value set there would count for nothing."""

    def leaves(opt_state, name):
        return [leaf for _, leaf in optax.tree.get_all_with_path(opt_state, name)]

    def after(opt_state):
        zeros = jax.tree.map(jnp.zeros_like, params)
        loss = jnp.zeros(())
        update = optax.with_extra_args_support(tx).update
        _, opt_state = update(zeros, opt_state, params, value=loss, grad=zeros)
        return {name: leaves(opt_state, name) for name in names}

    # Marks that no schedule starts with; all but these leaves is dropped by the compiler.
    marks = {name: 0.7318 * leaves(opt_state, name)[0] + 0.0137 for name in names}
    marked = optax.tree.set(opt_state, **marks)
    for name, found in jax.jit(after)(marked).items():
        if not all(np.array_equal(leaf, marks[name]) for leaf in found):
            raise ValueError(
                f"Hyperparameter {name!r} needs to be read from the optimizer's state, got one "
                "that every update overwrites, as a schedule or an array does: build the "
                "transformation with a Python number in its place."
            )


def _own(leaf: Any, lanes: int) -> Any:
    if isinstance(leaf, Array | np.ndarray):
        return jnp.array(leaf, copy=True) if isinstance(leaf, np.ndarray) else leaf.copy()
    return jnp.broadcast_to(jnp.asarray(leaf), (lanes, *jnp.shape(leaf)))
