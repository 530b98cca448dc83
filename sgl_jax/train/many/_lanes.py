"""Lanes: trees whose leaves have one more axis in front, an entry per lane."""

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


__all__ = ["count_lanes", "grid", "init_many", "lane", "stack"]

_NAMED = re.compile(r"(?:strengths|hyperparams)/(\w+)$")


def grid(**values: Iterable[Any]) -> dict[str, np.ndarray]:
    """Lists every combination of the values, the last name's changing fastest.

    Args:
      **values: by name, the values to combine.

    Returns:
      By name, the value in each lane.

    Example:
      >>> grid(seed=[0, 1], lam=[1e-4, 3e-4])["seed"].tolist()
      [0, 0, 1, 1]
    """
    columns = [np.asarray(list(column)) for column in values.values()]
    indices = np.indices([len(column) for column in columns]).reshape(len(columns), -1)
    lanes = (column[at] for column, at in zip(columns, indices, strict=True))
    return dict(zip(values, lanes, strict=True))


def stack(trees: Sequence[Any]) -> Any:
    """Stacks trees of one structure as the lanes of one tree.

    Args:
      trees: one per lane, such as the parameters of a model from several seeds.
    """
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def lane(tree: Any, index: int | Int[Array, ""]) -> Any:
    """Takes the tree of one lane.

    Args:
      tree: a tree with lanes, such as the states of :func:`train_many`.
      index: number of the lane, from 0.
    """
    return jax.tree.map(lambda leaf: leaf[index], tree)


def init_many(
    tx: optax.GradientTransformation,
    params: Params,
    rest: Any = (),
    hyperparams: Mapping[str, Any] | None = None,
) -> TrainState:
    """Makes the states of all lanes before the first step, on arrays of their own.

    A hyperparameter is a number that the optimizer reads from its state: every strength of a link
    of this package that was given as a number (``lam``, ``group_lam``, ``beta``; the
    learning rate of a proximal optimizer is its ``step_size``), and every number behind
    ``optax.inject_hyperparams``. All that go by one name are set.

    Args:
      tx: any Optax transformation.
      params: the parameters, every leaf with an axis of lanes in front; see :func:`stack`.
      rest: the model's other leaves, likewise; a leaf that is no array is the same in all lanes.
      hyperparams: by name, the value in each lane; see :func:`grid`.

    Raises:
      ValueError: leaves or values that differ in the number of lanes, a name that the optimizer's
        state does not have, or one that an update overwrites, as a schedule does.
    """
    lanes = _check_lanes((params, rest), hyperparams or {})
    opt_state = jax.vmap(tx.init)(params)
    for name, values in (hyperparams or {}).items():
        opt_state = _set_hyperparameter(opt_state, name, values)
    if hyperparams:
        _refuse_overwritten(tx, lane(params, 0), lane(opt_state, 0), tuple(hyperparams))
    state = TrainState(params, rest, opt_state, jnp.zeros(lanes, jnp.int32))
    return jax.tree.map(lambda leaf: _copy_leaf(leaf, lanes), state)


def count_lanes(states: TrainState) -> int:
    """Counts the lanes of some states."""
    if jnp.ndim(states.step) != 1:
        raise ValueError(
            f"Lanes need states with one step count each, got one of shape "
            f"{jnp.shape(states.step)}: make them with init_many."
        )
    return len(states.step)


def _check_lanes(trees: Any, hyperparams: Mapping[str, Any]) -> int:
    """Counts the lanes; raises ``ValueError`` if leaves and hyperparameters differ in them."""
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


def _set_hyperparameter(opt_state: optax.OptState, name: str, values: Any) -> optax.OptState:
    """Writes values into every leaf of a name, in the dtype of the leaf."""
    found = [leaf for _, leaf in optax.tree.get_all_with_path(opt_state, name)]
    if not found or not all(isinstance(leaf, Array) for leaf in found):
        raise ValueError(
            f"A hyperparameter needs a number of its name in the optimizer's state, got {name!r}: "
            f"it has {_list_names(opt_state) or 'none'}, and inject_hyperparams adds those of "
            "Optax."
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


def _list_names(opt_state: optax.OptState) -> str:
    """Lists the names of strengths and of injected numbers."""
    keyed, _ = jax.tree_util.tree_flatten_with_path(opt_state)
    paths = (jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in keyed)
    return ", ".join(sorted({found.group(1) for found in map(_NAMED.search, paths) if found}))


def _refuse_overwritten(
    tx: optax.GradientTransformation, params: Params, opt_state: optax.OptState, names: tuple
) -> None:
    """Refuses a leaf that every update overwrites: a value set there would count for nothing."""

    def find(opt_state, name):
        return [leaf for _, leaf in optax.tree.get_all_with_path(opt_state, name)]

    def update_once(opt_state):
        zeros = jax.tree.map(jnp.zeros_like, params)
        loss = jnp.zeros(())
        update = optax.with_extra_args_support(tx).update
        _, opt_state = update(zeros, opt_state, params, value=loss, grad=zeros)
        return {name: find(opt_state, name) for name in names}

    # Marks that no schedule starts with; the compiler drops all other leaves.
    marks = {name: 0.7318 * find(opt_state, name)[0] + 0.0137 for name in names}
    marked = optax.tree.set(opt_state, **marks)
    for name, found in jax.jit(update_once)(marked).items():
        if not all(np.array_equal(leaf, marks[name]) for leaf in found):
            raise ValueError(
                f"Hyperparameter {name!r} needs to be read from the optimizer's state, got one "
                "that every update overwrites, as a schedule or an array does: build the "
                "transformation with a Python number in its place."
            )


def _copy_leaf(leaf: Any, lanes: int) -> Any:
    """Copies an array; broadcasts a number to all lanes."""
    if isinstance(leaf, Array | np.ndarray):
        return jnp.array(leaf, copy=True) if isinstance(leaf, np.ndarray) else leaf.copy()
    return jnp.broadcast_to(jnp.asarray(leaf), (lanes, *jnp.shape(leaf)))
