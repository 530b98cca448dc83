"""The config of a run: everything that its result depends on."""

import dataclasses
from typing import Any, Literal, NamedTuple


__all__ = ["Config", "Strengths"]


class Strengths(NamedTuple):
    """The strengths in the objective, undivided.

    Attributes:
      lam: strength of the penalty of single weights.
      group_lam: strength of the group lasso.
      beta: strength of the coupling.
    """

    lam: float
    group_lam: float
    beta: float


@dataclasses.dataclass(frozen=True)
class Config:
    """The config of a run: data, network, algorithm, strengths, schedule.

    Strengths are given the way the paper gives them: lam, group_lam and beta are divided by the
    number N of training images, unless undivided.

    Attributes:
      data: data set: a name, or package.module:Name of your own.
      model: network: a name, or package.module:Name of your own.
      algorithm: how the regulariser acts: a name, or package.module:Name.
      penalty: penalty of single weights: a name, or package.module:Name.
      shape: shape parameter of the penalty (a, gamma or alpha); its default without it.
      lam: strength of the penalty of single weights; divided by N.
      group_lam: strength of the group lasso; divided by N; that of lam without it.
      groups: weights that shrink together: the paper's neurons, or all of a channel (filter, bias,
        scale and shift of its norm), so that it can be removed once it is zero.
      group_penalty: penalty of the norms of groups: a name, or package.module:Name.
      group_weight: weight of a group of channels: the root of its size, or the FLOPs it takes.
      beta: coupling of the splitting; divided by N; the other algorithms have none.
      undivided: take lam, group_lam and beta as they are, not divided by N.
      lam_warmup: epochs over which lam and group_lam rise from 0.
      beta_growth: factor on beta at each milestone (the paper: 1.25).
      beta_growth_on: kernels on which beta grows: of convolutions only, as in the paper, or all.
      optimizer: base optimizer: adam, adamw or sgd; prox_adam and prox_sgd are their own.
      momentum: momentum of sgd.
      weight_decay: weight decay of adamw.
      learning_rate: learning rate at the first step.
      schedule: schedule of the learning rate: constant, cosine (to a hundredth), staircase.
      milestones: epochs after which the staircase takes a step and beta grows.
      decay: factor on the learning rate at each milestone of the staircase.
      epochs: passes over the training images.
      finish: share of the epochs, the last ones, that train the sparse network on without a
        penalty, its zeros kept; the trained weights of a splitting become v before.
      shrink_at: let dead channels leave during training, whenever the rest costs less than this
        share of the FLOPs; what has left cannot come back.
      batch_size: images per step.
      seed: seed of the initial weights and of the order of the images.
      holdout: training images to hold out and to test on, instead of the test images.
      dense: train without the regulariser: the dense twin.
      data_root: folder of the data sets; the environment variable SGL_JAX_DATA without it.
      download: fetch the files of the data set that are missing.
    """

    data: str = "digits"
    model: str = "lenet5"
    algorithm: str = "prox_adam"
    penalty: str = "l1"
    shape: float | None = None
    lam: float = 0.4
    group_lam: float | None = None
    groups: Literal["neurons", "channels"] = "neurons"
    group_penalty: str = "l1"
    group_weight: Literal["sqrt_size", "flops"] = "sqrt_size"
    beta: float = 2.5
    undivided: bool = False
    lam_warmup: int = 0
    beta_growth: float = 1.0
    beta_growth_on: Literal["conv", "all"] = "conv"
    optimizer: str = "adam"
    momentum: float = 0.9
    weight_decay: float = 1e-4
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    milestones: tuple[int, ...] = ()
    decay: float = 0.1
    epochs: int = 30
    finish: float | None = None
    shrink_at: float | None = None
    batch_size: int = 64
    seed: int = 0
    holdout: int = 0
    dense: bool = False
    data_root: str | None = dataclasses.field(default=None, compare=False)
    download: bool = dataclasses.field(default=False, compare=False)

    def check(self) -> None:
        """Raises ``ValueError`` if a number is out of its range."""
        for name in ("lam", "group_lam", "lam_warmup", "momentum", "weight_decay", "holdout"):
            self._require(name, ">= 0", lambda value: value >= 0)
        for name in ("beta", "beta_growth", "learning_rate", "decay"):
            self._require(name, "> 0", lambda value: value > 0)
        for name in ("finish", "shrink_at"):
            self._require(name, "between 0 and 1", lambda value: 0 < value < 1)
        if self.finish is not None and not self.finish_epochs:
            raise ValueError(
                f"A run needs finish to be an epoch or more, got finish={self.finish} of "
                f"{self.epochs} epochs."
            )
        for name in ("epochs", "batch_size"):
            self._require(name, ">= 1", lambda value: value >= 1)
        self._require(
            "group_weight",
            "'sqrt_size' without groups='channels'",
            lambda value: value == "sqrt_size" or self.groups == "channels",
        )
        self._require(
            "milestones",
            "in ascending order from 1 on",
            lambda value: list(value) == sorted(set(value)) and (not value or value[0] >= 1),
        )

    def _require(self, name: str, words: str, holds: Any) -> None:
        value = getattr(self, name)
        if value is not None and not holds(value):
            raise ValueError(f"A run needs {name} {words}, got {name}={value}.")

    @property
    def finish_epochs(self) -> int:
        """Number of epochs without a penalty at the end."""
        return round((self.finish or 0) * self.epochs)

    def strengths(self, images: int) -> Strengths:
        """Computes the strengths in force from the number of training images."""
        group_lam = self.lam if self.group_lam is None else self.group_lam
        scale = 1 if self.undivided else images
        return Strengths(self.lam / scale, group_lam / scale, self.beta / scale)

    def twin(self) -> "Config":
        """Makes the config of the dense network that is trained the same way."""
        return dataclasses.replace(self, dense=True, finish=None, shrink_at=None)
