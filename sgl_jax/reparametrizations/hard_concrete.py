"""Groups that a random gate opens or closes, with a penalty on the chance that it is open."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from sgl_jax._util.pytree import flatten_by_path, pytree_dataclass
from sgl_jax._util.typing import ArrayLike, Params
from sgl_jax.groups import GroupFamily, GroupingLike, Groups, by_neuron


__all__ = ["HardConcrete"]

LOW, HIGH = -0.1, 1.1
"""The interval that a sigmoid is stretched to before it is clipped to [0, 1]."""

FURTHEST = math.log(100.0)
"""Largest magnitude of the location of a gate."""

SPREAD = 0.01
"""Standard deviation of the first locations."""


@pytree_dataclass(static=("grouping", "drop_rate", "temperature"))
class HardConcrete:
    r"""Hard-concrete gates: the expected number of open gates is the penalty.

    The weights of a group are multiplied by one gate, the same for a whole batch,

    .. math:: z_g = \min(1, \max(0, \bar s_g)), \qquad \bar s_g = 1.2\, s_g - 0.1, \qquad
      s_g = \sigma\Bigl(\frac{\log u - \log(1-u) + \log\alpha_g}{\beta}\Bigr),

    with :math:`u` uniform on (0, 1) in training, and :math:`s_g = \sigma(\log\alpha_g)` in use.
    Locations :math:`\log\alpha_g` are trained with the weights, and stay within
    :math:`\pm\log 100`. A gate is open with the probability

    .. math:: P_g = \sigma\bigl(\log\alpha_g - \beta \log(0.1 / 1.1)\bigr),

    which is between 0.04 and 0.999 there, far from where the authors clip it, and the penalty is

    .. math:: \sum_g P_g \sum_{i \in g} \Bigl(\lambda + \frac{w}{2}\, w_i^2\Bigr).

    Attributes:
      lam: strength :math:`\lambda \ge 0` for each weight; the article divides it, and the decay, by
        the number of training images.
      grouping: what a gate opens; the filters of a convolution and what reads an input of a dense
        layer by default.
      weight_decay: :math:`w \ge 0`, on the weights of open gates.
      drop_rate: chance that a gate is below a half at first, between 0 and 1.
      temperature: :math:`\beta > 0`.

    Raises:
      ValueError: a number out of its range.

    Example:
      >>> import jax, jax.numpy as jnp, optax, sgl_jax as sgl
      >>> from sgl_jax.reparametrizations import HardConcrete, reparametrized
      >>> method = HardConcrete(1e-3, sgl.by_filter())
      >>> trained = method.init(jax.random.key(0), {"kernel": jnp.ones((3, 4))})
      >>> tx = reparametrized(method, optax.adam(1e-3))
      >>> method.sample(jax.random.key(1), trained)["kernel"].shape
      (3, 4)

    References:
      Louizos, Welling, Kingma: Learning sparse neural networks through L0 regularization, 2018.
    """

    lam: ArrayLike
    grouping: GroupingLike = by_neuron()
    weight_decay: ArrayLike = 0.0
    drop_rate: float = 0.5
    temperature: float = 2 / 3

    def __post_init__(self):
        if not 0 < self.drop_rate < 1 or not self.temperature > 0:
            raise ValueError(
                f"HardConcrete needs a drop_rate between 0 and 1 and a temperature > 0, got "
                f"drop_rate={self.drop_rate} and temperature={self.temperature}."
            )
        for name in ("lam", "weight_decay"):
            value = getattr(self, name)
            if isinstance(value, float | int) and not value >= 0:
                raise ValueError(f"HardConcrete needs {name} >= 0, got {name}={value}.")

    def init(self, key: PRNGKeyArray, params: Params) -> dict[str, Any]:
        """Makes ``{"gates": ..., "weights": params}``; gates are by path of a first member.

        Raises:
          ValueError: no leaf matches, or groups overlap.
        """
        start = math.log(1 - self.drop_rate) - math.log(self.drop_rate)
        gates = {
            family.members[0].path: start + SPREAD * jax.random.normal(each, family.shape)
            for family, each in _number(self._groups(params), key)
        }
        return {"gates": gates, "weights": params}

    def sample(self, key: PRNGKeyArray, trained: dict[str, Any]) -> Params:
        """Draws gates, one for each group, and multiplies the weights by them."""
        keys = {f.members[0].path: k for f, k in _number(self._groups(trained["weights"]), key)}

        def draw(path: str, location: Array) -> Array:
            noise = jax.random.logistic(keys[path], location.shape, location.dtype)
            return _stretch((noise + location) / self.temperature)

        return self._multiply(trained, draw)

    def read(self, trained: dict[str, Any]) -> Params:
        """Multiplies the weights by the gates in use; those of closed gates are zero."""
        return self._multiply(trained, lambda path, location: _stretch(location))

    def penalty(self, trained: dict[str, Any]) -> Float[Array, ""]:
        """Computes the penalty of the class docstring."""
        leaves, _ = flatten_by_path(trained["weights"])
        total = jnp.zeros(())
        for family in self._groups(trained["weights"]):
            location = trained["gates"][family.members[0].path]
            opened = jax.nn.sigmoid(location - self.temperature * math.log(-LOW / HIGH))
            parts = [leaves[member.path].astype(opened.dtype) for member in family.members]
            lam, decay = (jnp.asarray(x, opened.dtype) for x in (self.lam, self.weight_decay))
            cost = lam * family.sizes.astype(opened.dtype)
            cost += 0.5 * decay * family.sum([part**2 for part in parts])
            total += jnp.sum(opened * cost).astype(total.dtype)
        return total

    def clip(self, trained: dict[str, Any]) -> dict[str, Any]:
        """Clips the locations to within log 100 of zero."""
        gates = {n: jnp.clip(a, -FURTHEST, FURTHEST) for n, a in trained["gates"].items()}
        return {**trained, "gates": gates}

    def _groups(self, params: Params) -> Groups:
        groups = self.grouping.resolve(params)
        if not groups.disjoint:
            raise ValueError(
                "HardConcrete needs disjoint groups, got a leaf in two families: take another "
                "grouping."
            )
        return groups

    def _multiply(self, trained: dict[str, Any], gate: Callable[[str, Array], Array]) -> Params:
        """Multiplies the weights of every group by its gate, a function of path and location."""
        leaves, rebuild = flatten_by_path(trained["weights"])
        for family in self._groups(trained["weights"]):
            paths = [member.path for member in family.members]
            gates = gate(paths[0], trained["gates"][paths[0]])
            for path, factor in zip(paths, family.spread(gates), strict=True):
                leaves[path] = leaves[path] * factor.astype(leaves[path].dtype)
        return rebuild(leaves)


def _number(groups: Groups, key: PRNGKeyArray) -> list[tuple[GroupFamily, PRNGKeyArray]]:
    """Pairs every family with a key of its own."""
    families = list(groups)
    return list(zip(families, jax.random.split(key, len(families)), strict=True))


def _stretch(logits: Array) -> Array:
    """Stretches a sigmoid over both ends of [0, 1], and clips it."""
    return jnp.clip(LOW + (HIGH - LOW) * jax.nn.sigmoid(logits), 0.0, 1.0)
