"""Latencies of convolutions of few channels, of LeNet-5 with few channels, and of training steps.

The first part times one convolution forward: 1, 2 or 4 pixels next to each other as the channels of
one output (1 is the library's own convolution), and the number that the models' convolution chooses
(``chosen``). The second times LeNet-5 of several widths, each with every set of compiler options,
and its share of the widest with the best options of each. The third times the gradient of LeNet-5
at full width, with the models' convolution and with the library's. All that is compared takes turns
within one process, so that ratios hold on a noisy machine.

    python benchmarks/bench_conv.py [--parts convolution network gradient] [--rounds N]
        [--seconds SECONDS] [--results DIR]
"""

import argparse
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from _record import RESULTS, save
from flax import nnx
from jax import lax

from sgl_jax._util.compilation import NO_YNNPACK, option_sets
from sgl_jax._util.timing import time_in_turn
from sgl_jax.models import LeNet5, _conv


PIXELS = [1, 2, 4]
SHAPES = [
    *((28, 5, 1, filters) for filters in (1, 3, 4, 8, 12, 16, 20, 32)),
    *((28, 3, 1, filters) for filters in (4, 16)),
    *((32, 3, 3, filters) for filters in (4, 16)),
    *((12, 5, 3, filters) for filters in (4, 11)),
    (12, 5, 4, 8),
    (12, 5, 8, 16),
]
"""Height and width of the images, rows and columns of the kernel, inputs, filters."""

WIDTHS = [(20, 50, 500), (8, 16, 200), (4, 8, 100), (3, 11, 295)]

BATCHES = [256, 1]

LAYOUT = ("NHWC", "HWIO", "NHWC")

Calls = dict[str, Callable[[], Any]]


def time_convolutions(measure: Callable[[Calls], dict[str, float]]) -> Iterator[dict[str, Any]]:
    """Times one convolution, with 1, 2 and 4 pixels as the channels of one output."""
    for size, rows, inputs, filters in SHAPES:
        images = jax.random.normal(jax.random.key(0), (256, size, size, inputs))
        kernel = jax.random.normal(jax.random.key(1), (rows, rows, inputs, filters))
        for options, given in option_sets().items():
            calls = {}
            for pixels in PIXELS:
                convolve = partial(_conv.by_pixels, pixels, **_read_params(images, kernel))
                compiled = jax.jit(convolve, compiler_options=given or None)
                calls[str(pixels)] = partial(compiled, images, kernel)
            yield {
                "part": "convolution",
                "images": images.shape,
                "kernel": kernel.shape,
                "options": options,
                "chosen": _conv.count_pixels(kernel.shape, size - rows + 1),
                "milliseconds": measure(calls),
            }


def _read_params(images: jax.Array, kernel: jax.Array) -> dict[str, Any]:
    """Reads the parameters of the library's primitive."""
    convolve = partial(lax.conv_general_dilated, window_strides=(1, 1), padding="VALID")
    traced = jax.make_jaxpr(partial(convolve, dimension_numbers=LAYOUT))(images, kernel)
    return traced.eqns[0].params


def time_networks(measure: Callable[[Calls], dict[str, float]]) -> Iterator[dict[str, Any]]:
    """Times LeNet-5 of several widths, with every set of compiler options."""
    for batch in BATCHES:
        images = jax.random.uniform(jax.random.key(0), (batch, 28, 28, 1))
        calls: Calls = {}
        for widths in WIDTHS:
            graphdef, state = nnx.split(LeNet5(widths, rngs=nnx.Rngs(0)))
            for options, given in option_sets().items():
                apply = jax.jit(partial(_apply, graphdef), compiler_options=given or None)
                calls[f"{widths}, {options}"] = partial(apply, state, images)
        found = measure(calls)
        best = {
            str(widths): min(found[f"{widths}, {options}"] for options in option_sets())
            for widths in WIDTHS
        }
        shares = {name: round(best[name] / best[str(WIDTHS[0])], 3) for name in best}
        yield {"part": "network", "batch": batch, "milliseconds": found, "share": shares}


def _apply(graphdef, state, images):
    return nnx.merge(graphdef, state)(images)


def time_gradients(measure: Callable[[Calls], dict[str, float]]) -> Iterator[dict[str, Any]]:
    """Times the gradient of LeNet-5 with the options of a training step."""
    images = jax.random.uniform(jax.random.key(0), (128, 28, 28, 1))
    for widths in WIDTHS:
        calls: Calls = {}
        for name, convolve in (("models", _conv.conv), ("library", lax.conv_general_dilated)):
            model = LeNet5(widths, rngs=nnx.Rngs(0))
            for layer in (model.conv1, model.conv2):
                layer.conv_general_dilated = convolve
            graphdef, state = nnx.split(model)
            loss = lambda state, graphdef=graphdef: jnp.sum(_apply(graphdef, state, images) ** 2)  # noqa: E731
            gradient = jax.jit(jax.grad(loss), compiler_options=option_sets().get(NO_YNNPACK))
            calls[name] = partial(gradient, state)
        yield {"part": "gradient", "widths": widths, "batch": 128, "milliseconds": measure(calls)}


PARTS = {
    "convolution": time_convolutions,
    "network": time_networks,
    "gradient": time_gradients,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()

    def measure(calls: Calls) -> dict[str, float]:
        taken = time_in_turn(calls, options.rounds, options.seconds)
        return {name: round(1e3 * statistics.median(taken[name]), 3) for name in taken}

    figures = []
    for part in options.parts:
        for figure in PARTS[part](measure):
            print(figure, flush=True)
            figures.append(figure)
    config = {"parts": options.parts, "rounds": options.rounds, "seconds": options.seconds}
    print(save("conv", config, figures, options.results))


if __name__ == "__main__":
    main()
