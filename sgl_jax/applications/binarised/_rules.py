r"""Fixed points of a single entry, for three penalties, in NumPy.

At a limit :math:`\kappa w = c w^* + \beta u(w)`, entry by entry, with one number
:math:`\kappa = \beta + m` for all. With :math:`s = \lambda / \beta` and :math:`b = c |w^*_i|`, an
entry that the prox sets to zero has :math:`|w_i| = b / \kappa`; a rule says what the others have.
"""

import abc
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import sgl_jax as sgl


__all__ = ["Rule", "rule_of"]

Values = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Rule(abc.ABC):
    """A penalty, at strength ``s`` and coupling 1.

    Attributes:
      s: the strength over the coupling.
      beta: the coupling.
    """

    s: float
    beta: float

    @property
    @abc.abstractmethod
    def threshold(self) -> float:
        """The largest magnitude that the prox sets to zero."""

    @property
    def bistable(self) -> bool:
        """True if an entry may have a middle root."""
        return False

    @abc.abstractmethod
    def shrink(self, w: Values) -> Values:
        """Computes the prox of magnitudes above the threshold."""

    @abc.abstractmethod
    def slope(self, w: Values) -> Values:
        """Differentiates the prox at magnitudes above the threshold."""

    @abc.abstractmethod
    def active(self, b: Values, m: Values, middle: bool = False) -> Values:
        """Solves for magnitudes that the prox leaves; not a number where there are none."""

    @abc.abstractmethod
    def cost(self, u: Values) -> Values:
        """Computes the penalty of magnitudes, at strength 1."""

    @abc.abstractmethod
    def strength(self, threshold: float) -> float:
        """Finds the strength ``s`` with a threshold."""

    @abc.abstractmethod
    def bound(self, c: float, nonzeros: int, kept: int) -> float:
        """Bounds the sine of the angle of a limit with ``kappa > beta``."""


class Soft(Rule):
    """The l1 penalty, whose active entries follow from ``kappa``."""

    @property
    def threshold(self) -> float:
        return self.s

    def shrink(self, w: Values) -> Values:
        return w - self.s

    def slope(self, w: Values) -> Values:
        return np.ones_like(w)

    def active(self, b: Values, m: Values, middle: bool = False) -> Values:
        del middle
        kappa = self.beta + m
        return np.where(b <= kappa * self.s, b / kappa, (b - self.beta * self.s) / m)

    def cost(self, u: Values) -> Values:
        return u

    def strength(self, threshold: float) -> float:
        return threshold

    def bound(self, c: float, nonzeros: int, kept: int) -> float:
        del kept
        return self.beta * self.s * np.sqrt(nonzeros) / c


class Hard(Rule):
    """The l0 penalty."""

    @property
    def threshold(self) -> float:
        return float(np.sqrt(2.0 * self.s))

    def shrink(self, w: Values) -> Values:
        return w

    def slope(self, w: Values) -> Values:
        return np.ones_like(w)

    def active(self, b: Values, m: Values, middle: bool = False) -> Values:
        del middle
        return b / m

    def cost(self, u: Values) -> Values:
        return (u > 0).astype(float)

    def strength(self, threshold: float) -> float:
        return 0.5 * threshold**2

    def bound(self, c: float, nonzeros: int, kept: int) -> float:
        return self.beta * np.sqrt(2.0 * self.s * (nonzeros - kept)) / c


@dataclasses.dataclass(frozen=True)
class Transformed(Rule):
    """The transformed l1 penalty; the roots of a cubic in ``a + u``.

    Attributes:
      a: the shape.
    """

    a: float

    @property
    def threshold(self) -> float:
        s, a = self.s, self.a
        jumps = s > 0.5 * a * a / (a + 1.0)
        return float(np.sqrt(2.0 * s * (a + 1.0)) - 0.5 * a if jumps else s * (a + 1.0) / a)

    @property
    def bistable(self) -> bool:
        return self.s > 0

    @property
    def _strength(self) -> float:
        return self.s * self.a * (self.a + 1.0)

    def _root(self, total: Values, last: Values, middle: bool) -> Values:
        """Solves ``v^3 - total v^2 + last = 0`` for its largest or middle root beyond ``a``."""
        with np.errstate(divide="ignore", invalid="ignore"):
            turn = 2.0 * np.arcsin(np.sqrt(6.75 * last / total**3))
            v = total / 3.0 * (1.0 + 2.0 * np.cos((turn - 2.0 * np.pi * middle) / 3.0))
            # Newton's last digits, but not next to a double root, where a step leads anywhere.
            for _ in range(2):
                step = (v * v * (v - total) + last) / ((3.0 * v - 2.0 * total) * v)
                v = v - np.where(np.abs(step) < 1e-6 * v, step, 0.0)
            return np.where(v >= self.a, v, np.nan)

    def shrink(self, w: Values) -> Values:
        return self._root(self.a + w, np.full_like(w, self._strength), False) - self.a

    def slope(self, w: Values) -> Values:
        return 1.0 / (1.0 - 2.0 * self._strength / (self.a + self.shrink(w)) ** 3)

    def active(self, b: Values, m: Values, middle: bool = False) -> Values:
        last = (self.beta + m) * self._strength / m
        v = self._root(self.a + b / m, np.broadcast_to(last, np.shape(b / m)), middle)
        return v - self.a + self._strength / v**2

    def cost(self, u: Values) -> Values:
        return (self.a + 1.0) * u / (self.a + u)

    def strength(self, threshold: float) -> float:
        if 2.0 * threshold <= self.a:
            return threshold * self.a / (self.a + 1.0)
        return 0.5 * (threshold + 0.5 * self.a) ** 2 / (self.a + 1.0)

    def bound(self, c: float, nonzeros: int, kept: int) -> float:
        del kept
        gap = max(self.threshold, self.s * (self.a + 1.0) / self.a)
        return self.beta * gap * np.sqrt(nonzeros) / c


RULES: dict[type, Callable[[Any, float], Rule]] = {
    sgl.L0: lambda penalty, beta: Hard(float(penalty.lam) / beta, beta),
    sgl.L1: lambda penalty, beta: Soft(float(penalty.lam) / beta, beta),
    sgl.TransformedL1: lambda penalty, beta: Transformed(
        float(penalty.lam) / beta, beta, float(penalty.a)
    ),
}
"""The rule of a penalty and a coupling, by the class of the penalty."""


def rule_of(penalty: Any, beta: float) -> Rule:
    """Makes the rule of a penalty.

    Args:
      penalty: one of ``RULES``, with numbers as parameters.
      beta: the coupling.

    Raises:
      ValueError: another penalty, or a coupling that is not positive.
    """
    if type(penalty) not in RULES:
        names = " or ".join(cls.__name__ for cls in RULES)
        raise ValueError(f"The limit is known for {names}, got {type(penalty).__name__}.")
    if not beta > 0:
        raise ValueError(f"The limit needs beta > 0, got beta={beta}.")
    return RULES[type(penalty)](penalty, float(beta))
