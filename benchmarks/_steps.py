"""Parameter trees of well-known networks, and compiled optimizer steps on them."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import optax


__all__ = ["TREES", "Copy", "Step", "drawn"]


def lenet5() -> dict[str, tuple[int, ...]]:
    """Shapes of the leaves of LeNet-5."""
    kernels = {"conv1": (5, 5, 1, 20), "conv2": (5, 5, 20, 50), "fc1": (800, 500), "fc2": (500, 10)}
    shapes = {f"{name}/kernel": shape for name, shape in kernels.items()}
    return shapes | {f"{name}/bias": shape[-1:] for name, shape in kernels.items()}


def wrn28_10() -> dict[str, tuple[int, ...]]:
    """Shapes of the leaves of a WRN-28-10 for ten classes: 36.5M parameters."""
    shapes = {"stem/kernel": (3, 3, 3, 16), "head/kernel": (640, 10), "head/bias": (10,)}
    norms, width = {"last": 640}, 16
    for group, out in enumerate((160, 320, 640)):
        for block in range(4):
            name = f"group{group}/block{block}"
            shapes[f"{name}/conv1/kernel"] = (3, 3, width, out)
            shapes[f"{name}/conv2/kernel"] = (3, 3, out, out)
            norms |= {f"{name}/norm1": width, f"{name}/norm2": out}
            if width != out:
                shapes[f"{name}/shortcut/kernel"] = (1, 1, width, out)
            width = out
    for name, size in norms.items():
        shapes |= {f"{name}/scale": (size,), f"{name}/bias": (size,)}
    return shapes


TREES = {"lenet5": lenet5, "wrn28_10": wrn28_10}


def drawn(tree: str) -> tuple[Any, Any]:
    """Parameters of a tree, and gradients."""
    shapes = TREES[tree]()
    keys = jax.random.split(jax.random.key(0), len(shapes))
    params = {
        path: 0.05 * jax.random.normal(key, shape)
        for key, (path, shape) in zip(keys, shapes.items(), strict=True)
    }
    return params, jax.tree.map(lambda w: 0.01 * w + 1e-3, params)


def allocated(compiled: Any) -> int:
    """Bytes of a program: its arguments, outputs that alias none of them, temporaries."""
    use = compiled.memory_analysis()
    held = use.argument_size_in_bytes + use.output_size_in_bytes - use.alias_size_in_bytes
    return held + use.temp_size_in_bytes


class Timed:
    """A compiled program that can be run again and again, with what it took.

    Attributes:
      seconds: of every run.
      traffic: bytes that it must move: what it is given, read once, what it returns, written once.
      memory: bytes allocated for it.
    """

    def __init__(self, compiled: Any):
        self.compiled, self.seconds = compiled, []
        use = compiled.memory_analysis()
        self.traffic = use.argument_size_in_bytes + use.output_size_in_bytes
        self.memory = allocated(compiled)

    def run(self) -> None:
        start = time.perf_counter()
        jax.block_until_ready(self.once())
        self.seconds.append(time.perf_counter() - start)

    def once(self) -> Any:
        raise NotImplementedError


LEAF_BY_LEAF = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
"""By default XLA starts all leaves at once on a CPU; by this option it saves memory."""


class Step(Timed):
    """``update`` and ``apply_updates`` of an optimizer, on a state of its own, which is donated.

    Attributes:
      memory_in_turn: bytes allocated for it where the leaves are done one after the other.
    """

    def __init__(self, tx: optax.GradientTransformation, params: Any, grads: Any):
        def step(grads, state, params):
            updates, state = tx.update(grads, state, params)
            return optax.apply_updates(params, updates), state

        self.grads, self.params = grads, jax.tree.map(jnp.copy, params)
        self.state = tx.init(self.params)
        lowered = jax.jit(step, donate_argnums=(1, 2)).lower(grads, self.state, self.params)
        super().__init__(lowered.compile())
        on_cpu = jax.default_backend() == "cpu"
        self.memory_in_turn = allocated(lowered.compile(LEAF_BY_LEAF)) if on_cpu else self.memory

    def once(self) -> Any:
        self.params, self.state = self.compiled(self.grads, self.state, self.params)
        return self.params, self.state


class Copy(Timed):
    """A copy of a tree into a donated one, which says how fast memory is."""

    def __init__(self, params: Any):
        self.source, self.target = params, jax.tree.map(jnp.copy, params)
        jitted = jax.jit(lambda source, target: source, donate_argnums=1, keep_unused=True)
        super().__init__(jitted.lower(self.source, self.target).compile())
        self.traffic = 2 * sum(leaf.nbytes for leaf in jax.tree.leaves(params))

    def once(self) -> Any:
        self.target = self.compiled(self.source, self.target)
        return self.target
