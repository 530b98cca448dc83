"""The config of a run: everything that its result depends on."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Literal, NamedTuple

from sgl_jax.runs._constraint_options import holds_target, is_constrained, read_bits
from sgl_jax.runs._needs import find_unused, refuse_unused
from sgl_jax.runs._ranges import refuse_outside
from sgl_jax.runs.parts import select_settings


__all__ = ["Config", "Strengths"]


_CHANNELS = {"groups": "channels", "lam": 0.0, "group_lam": 1.0}

TARGETS: dict[str, dict[str, Any]] = {
    "target_flops": {**_CHANNELS, "group_weight": "flops"},
    "target_params": _CHANNELS,
    "target_sparsity": {"lam": 1.0, "group_lam": 0.0},
}
"""Options that set a target, with the defaults that others have beside them: strengths are
proportions there, since the target sets their size."""

FINISH_WITH_TARGET = 0.4
"""Share of the epochs behind the one in which a target is reached, unless another is given."""


class Strengths(NamedTuple):
    """The strengths in the objective, undivided; ``None`` for those it does not have.

    Attributes:
      lam: strength of the penalty of single weights.
      group_lam: strength of the penalty of groups.
      beta: strength of the coupling.
    """

    lam: float | None
    group_lam: float | None
    beta: float | None


@dataclasses.dataclass(frozen=True)
class Config:
    """The config of a run: data, network, algorithm, strengths, schedule.

    Strengths are given the way the paper gives them: lam, group_lam and beta are divided by the
    number N of training images, unless undivided.

    Attributes:
      data: data set: a name, or of your own images:FOLDER, npz:FILE, idx:FOLDER or
        package.module:Name.
      image_shape: height, width and channels that the images of a folder are converted to.
      augment: random changes of the training images: a name, or package.module:Name.
      model: network: a name, or package.module:Name of your own.
      init_from: weights to start from: a run folder, an Orbax checkpoint, or a .safetensors or .npz
        file, with the paths and shapes of the network's own, or of PyTorch; drawn from the seed
        without it.
      algorithm: how the regulariser acts: a name, or package.module:Name.
      reparametrization: weights that are drawn from other parameters, which the algorithm trains
        without a regulariser; groups says what is drawn together: a name, none, or
        package.module:Name.
      settings: NAME=VALUE for parameters that have no option, of whatever part; PART.NAME=VALUE
        where several have one of that name, as in penalty.a=3; sgl-jax list NAME lists them.
      penalty: penalty or constraint of single weights: a name, none, or package.module:Name.
      shape: shape parameter of the penalty (a, gamma or alpha); its default without it.
      bits: bits of a weight that is not zero under the penalty levels: 2^(bits - 1) levels of
        either sign. Layers have others by PATTERN=BITS, for paths that have the pattern, a regular
        expression: fc1=1 conv=4 3.
      constrain: leaves that a constraint takes: those of groups, the kernels, the kernels together
        as one group, so that layers share what top_k leaves, or all leaves, biases too.
      hold_zeros: kernels keep the zeros of the weights to start from.
      lam: strength of the penalty of single weights, or of each weight that is drawn; divided by N.
      group_lam: strength of the penalty of groups; divided by N; that of lam without it, and no
        penalty of groups beside a constraint.
      groups: weights that shrink together, and are counted: the paper's neurons, or all of a
        channel (filter, bias, scale and shift of its norm), so that it can be removed once it is
        zero, or the scale alone, as in network slimming; a name, or package.module:Name.
      group_penalty: penalty of the norms of groups: a name, none, or package.module:Name.
      group_weight: weight of a group: the root of its size, none, or the FLOPs of a channel.
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
        penalty, its zeros kept; the trained weights of a splitting become v before. With a target
        it is 0.4, and the target is reached before. 1 keeps the zeros of the weights to start from.
      target_flops: share of the FLOPs to be left; the strengths follow it.
      target_params: share of the parameters to be left, likewise.
      target_sparsity: share of the weights to be zero, likewise; with the penalty top_k all but the
        others are zero from the first epoch on.
      shrink_at: let dead channels leave during training, whenever the rest costs less than this
        share of the FLOPs; what has left cannot come back. With hold_zeros they leave at the start,
        too.
      batch_size: images per step.
      seed: seed of the initial weights and of the order of the images.
      holdout: training images to hold out and to test on, instead of the test images.
      dense: train without the regulariser: the dense twin.
      data_root: folder of the data sets; the environment variable SGL_JAX_DATA without it.
      download: fetch the files of the data set that are missing.
    """

    data: str = "digits"
    image_shape: tuple[int, int, int] | None = None
    augment: str = "none"
    model: str = "lenet5"
    init_from: str | None = None
    algorithm: str = "prox_adam"
    reparametrization: str = "none"
    settings: tuple[str, ...] = ()
    penalty: str = "l1"
    shape: float | None = None
    bits: tuple[str, ...] = ()
    constrain: Literal["groups", "kernels", "network", "all"] = "groups"
    hold_zeros: bool = False
    lam: float = 0.4
    group_lam: float | None = None
    groups: str = "neurons"
    group_penalty: str = "l1"
    group_weight: Literal["sqrt_size", "none", "flops"] = "sqrt_size"
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
    target_flops: float | None = None
    target_params: float | None = None
    target_sparsity: float | None = None
    shrink_at: float | None = None
    batch_size: int = 64
    seed: int = 0
    holdout: int = 0
    dense: bool = False
    data_root: str | None = dataclasses.field(default=None, compare=False)
    download: bool = dataclasses.field(default=False, compare=False)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Config":
        """Makes a config of the options that were given; a target changes the defaults of others.

        Args:
          given: values by option.

        Raises:
          ValueError: an unknown name, or a setting that does not fit.
        """
        targets = [defaults for name, defaults in TARGETS.items() if given.get(name) is not None]
        if not targets or is_constrained(vars(cls(**given))):
            return cls(**given)
        unused = find_unused(vars(cls(**{**targets[0], **given})))
        defaults = {name: value for name, value in targets[0].items() if name not in unused}
        return cls(**{**defaults, **given})

    def check(self, given: Collection[str] | None = None) -> None:
        """Raises ``ValueError`` if an option is out of its range, or has no effect.

        Args:
          given: names of the options that were given; by default those that are not the default.
        """
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        if given is None:
            given = [name for name, value in vars(self).items() if value != defaults[name]]
        refuse_outside(vars(self))
        most = self.epochs - (self.target_option is not None)
        if self.finish is not None and not 0 < self.finish_epochs <= most:
            raise ValueError(
                f"A run needs finish to be an epoch or more, and fewer than all with a target, got "
                f"finish={self.finish} of {self.epochs} epochs."
            )
        targets = [name for name in TARGETS if getattr(self, name) is not None]
        if len(targets) > 1:
            raise ValueError(f"A run needs one target at most, got {' and '.join(targets)}.")
        read_bits(self.bits)
        refuse_unused(vars(self), given)

    @property
    def finish_epochs(self) -> int:
        """Number of epochs without a penalty at the end."""
        share = self.finish
        if share is None:
            share = 0.0 if self.target_option is None else FINISH_WITH_TARGET
        return round(share * self.epochs)

    @property
    def target_option(self) -> str | None:
        """Name of the option that sets a target which strengths follow; ``None`` if none does."""
        if holds_target(vars(self)):
            return None
        return next((name for name in TARGETS if getattr(self, name) is not None), None)

    @property
    def target(self) -> float | None:
        """Share of the network to be left, in the measure of the option; ``None`` without one."""
        if self.target_option is None:
            return None
        if self.target_sparsity is not None:
            return 1.0 - self.target_sparsity
        return self.target_flops if self.target_flops is not None else self.target_params

    def strengths(self, images: int) -> Strengths:
        """Computes the strengths in force from the number of training images."""
        group_lam = self.lam if self.group_lam is None else self.group_lam
        given = Strengths(self.lam, group_lam, self.beta)._asdict()
        scale, unused = 1 if self.undivided else images, find_unused(vars(self))
        return Strengths(**{n: None if n in unused else v / scale for n, v in given.items()})

    def twin(self) -> "Config":
        """Makes the config of the dense network that is trained the same way."""
        return self.changed(dense=True)

    def changed(self, **changes: Any) -> "Config":
        """Changes options; those that no longer have an effect get their defaults.

        Args:
          **changes: the new values by option.

        Raises:
          ValueError: an unknown name, or a setting that does not fit.
        """
        config = dataclasses.replace(self, **changes)
        settings = select_settings(self.settings, vars(self), vars(config))
        return dataclasses.replace(config, settings=settings).without_unused()

    def without_unused(self) -> "Config":
        """Gives the options that have no effect their defaults.

        Raises:
          ValueError: an unknown name, or a setting that does not fit.
        """
        unused = find_unused(vars(self))
        defaults = {f.name: f.default for f in dataclasses.fields(self) if f.name in unused}
        return dataclasses.replace(self, **defaults)
