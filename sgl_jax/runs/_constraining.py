"""Penalties and constraints of a run by its options: shapes, and the leaves that they take."""

import re
from collections.abc import Callable
from typing import Any

from sgl_jax._util.typing import Params
from sgl_jax.groups import Groups, by_neuron, by_tree
from sgl_jax.penalties import Penalty
from sgl_jax.regularizers import Regularizer
from sgl_jax.runs._constraint_options import holds_target, read_bits
from sgl_jax.runs._needs import find_shapes
from sgl_jax.runs.config import Config


__all__ = ["constrain", "find_shape"]

DIGITS = 12
"""Digits of a share: 1 - 0.988 is not quite 0.012."""


def find_shape(config: Config, penalty: Callable[..., Any]) -> dict[str, Any]:
    """Finds the parameters of a penalty that options give: a shape, levels, or what is left.

    Args:
      config: the config of the run.
      penalty: its penalty.
    """
    if config.bits:
        counts = {pattern: 2 ** (bits - 1) for pattern, bits in read_bits(config.bits).items()}
        return {"count": counts[""] if len(counts) == 1 and "" in counts else tuple(counts.items())}
    if config.target_sparsity is not None and holds_target(vars(config)):
        return {"k": round(1.0 - config.target_sparsity, DIGITS)}
    return {} if config.shape is None else dict.fromkeys(find_shapes(penalty), config.shape)


def constrain(leaves: str, constraint: Penalty, params: Params) -> Regularizer:
    """Puts a constraint on the kernels, on the kernels together, or on all leaves.

    Args:
      leaves: the option ``constrain``.
      constraint: the constraint.
      params: the trained parameters.

    Raises:
      ValueError: the parameters have no kernels, or some that are of no known layout.
    """
    return Regularizer(constraint, _GROUPS[leaves](constraint, params))


def _find_all(constraint: Penalty, params: Params) -> Groups:
    return constraint.default_grouping.resolve(params)


def _find_kernels(constraint: Penalty, params: Params) -> Groups:
    return _find_all(constraint, params).restrict(by_neuron().resolve(params).paths)


def _find_network(constraint: Penalty, params: Params) -> Groups:
    del constraint
    paths = "|".join(map(re.escape, sorted(by_neuron().resolve(params).paths)))
    return by_tree(only=f"^({paths})$").resolve(params)


_GROUPS: dict[str, Callable[[Penalty, Params], Groups]] = {
    "all": _find_all,
    "kernels": _find_kernels,
    "network": _find_network,
}
