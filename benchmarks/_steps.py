"""Parameter trees of well-known networks, and compiled optimizer steps on them."""

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


__all__ = [
    "SCANNED",
    "TREES",
    "Copy",
    "Program",
    "Scan",
    "Step",
    "compile_program",
    "draw_gradients",
    "draw_params",
    "on_cpu",
]


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

SCANNED = {"lenet5": 100, "wrn28_10": 20}
"""Steps of a scan, a gradient each."""


def on_cpu() -> bool:
    return jax.default_backend() == "cpu"


def draw_params(tree: str) -> tuple[Any, Any]:
    """Draws the parameters of a tree, and gradients."""
    shapes = TREES[tree]()
    keys = jax.random.split(jax.random.key(0), len(shapes))
    params = {
        path: 0.05 * jax.random.normal(key, shape)
        for key, (path, shape) in zip(keys, shapes.items(), strict=True)
    }
    return params, jax.tree.map(lambda w: 0.01 * w + 1e-3, params)


def draw_gradients(params: Any, steps: int) -> Any:
    """Draws a stack of gradients of a tree, one per step."""
    keys = jax.random.split(jax.random.key(1), len(params))
    return {
        path: 0.01 * jax.random.normal(key, (steps, *w.shape))
        for key, (path, w) in zip(keys, params.items(), strict=True)
    }


class Program(NamedTuple):
    """``update`` and ``apply_updates`` of an optimizer, compiled; state and parameters are donated.

    Attributes:
      tx: the optimizer.
      step: one step.
      scan: several steps as one ``lax.scan``, over a stack of gradients; ``None`` on a CPU.
      traffic: bytes that a step must move: its arguments, read once, and its results, written once.
      memory: bytes allocated for a step: arguments, outputs that alias none of them, temporaries.
      memory_in_turn: the same where the leaves are done one after the other.
    """

    tx: optax.GradientTransformation
    step: Any
    scan: Any
    traffic: int
    memory: int
    memory_in_turn: int


LEAF_BY_LEAF = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
"""By default XLA starts all leaves at once on a CPU; by this option it saves memory."""


def compile_program(tx: optax.GradientTransformation, params: Any, steps: int) -> Program:
    """Compiles a step, and off the CPU a scan of ``steps``; parameters are read for shapes only."""

    @jax.jit  # traced once for both
    def step(grads, state, params):
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    def scan(stack, state, params):
        def body(carry, grads):
            return step(grads, *carry)[::-1], None

        return jax.lax.scan(body, (state, params), stack)[0][::-1]

    shapes = jax.tree.map(lambda w: jax.ShapeDtypeStruct(w.shape, w.dtype), params)
    state = jax.eval_shape(tx.init, shapes)
    lowered = jax.jit(step, donate_argnums=(1, 2)).lower(shapes, state, shapes)
    once = lowered.compile()
    use, memory = once.memory_analysis(), count_allocated(once)
    traffic = use.argument_size_in_bytes + use.output_size_in_bytes
    if on_cpu():
        in_turn = count_allocated(lowered.compile(LEAF_BY_LEAF))
        return Program(tx, once, None, traffic, memory, in_turn)
    stack = jax.tree.map(lambda w: jax.ShapeDtypeStruct((steps, *w.shape), w.dtype), shapes)
    several = jax.jit(scan, donate_argnums=(1, 2)).lower(stack, state, shapes).compile()
    return Program(tx, once, several, traffic, memory, memory)


def count_allocated(compiled: Any) -> int:
    """Counts the bytes that XLA allocates for a program."""
    use = compiled.memory_analysis()
    held = use.argument_size_in_bytes + use.output_size_in_bytes - use.alias_size_in_bytes
    return held + use.temp_size_in_bytes


class Timed:
    """A program that can be run again and again, with the seconds of each run."""

    def __init__(self):
        self.seconds: list[float] = []

    def run(self) -> None:
        steps = self.prepare()
        start = time.perf_counter()
        jax.block_until_ready(self.once(steps))
        self.seconds.append((time.perf_counter() - start) / steps)

    def prepare(self) -> int:
        """Prepares a run; returns the number of its steps."""
        return 1

    def once(self, steps: int) -> Any:
        raise NotImplementedError


class Step(Timed):
    """Steps of an optimizer, a call each, on a state of their own.

    Args:
      program: the compiled program.
      params: parameters to start from.
      grads: their gradients, the same at every step.
      in_a_row: ``None`` for one step a run, each from where the last one led; or how many steps a
        run takes from the start, none of which waits for the one before it.
    """

    def __init__(self, program: Program, params: Any, grads: Any, in_a_row: int | None = None):
        super().__init__()
        self.call, self.grads, self.in_a_row = program.step, grads, in_a_row
        self.start = program.tx.init(params), params
        self.state, self.params = jax.tree.map(jnp.copy, self.start)

    def prepare(self) -> int:
        if self.in_a_row is None:
            return 1
        self.state, self.params = jax.block_until_ready(jax.tree.map(jnp.copy, self.start))
        return self.in_a_row

    def once(self, steps: int) -> Any:
        for _ in range(steps):
            self.params, self.state = self.call(self.grads, self.state, self.params)
        return self.params, self.state


class Scan(Step):
    """Steps of an optimizer as one scan from the start, a gradient of a stack for each."""

    def __init__(self, program: Program, params: Any, stack: Any):
        super().__init__(program, params, stack, len(jax.tree.leaves(stack)[0]))
        self.call = program.scan

    def once(self, steps: int) -> Any:
        return super().once(1)


class Copy(Timed):
    """A copy into a donated array, which measures the bandwidth of the memory.

    On a CPU it is that of a tree, elsewhere of one array that no cache holds: there a tree of many
    leaves takes the time of many launches.

    Attributes:
      traffic: bytes that it moves.
    """

    def __init__(self, params: Any):
        super().__init__()
        self.source = params if on_cpu() else jnp.ones(2**27)
        self.target = jax.tree.map(jnp.copy, self.source)
        jitted = jax.jit(lambda source, target: source, donate_argnums=1, keep_unused=True)
        self.call = jitted.lower(self.source, self.target).compile()
        self.traffic = 2 * sum(leaf.nbytes for leaf in jax.tree.leaves(self.source))

    def prepare(self) -> int:
        return 1 if on_cpu() else 10

    def once(self, steps: int) -> Any:
        for _ in range(steps):
            self.target = self.call(self.source, self.target)
        return self.target
