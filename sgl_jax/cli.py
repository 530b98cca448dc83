"""The command line: trains three networks alike, dense, by splitting and by proximal Adam."""

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence


__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``python -m sgl_jax``; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m sgl_jax",
        description="Trains LeNet-5 on real digits three times: dense, by the paper's splitting, "
        "and by proximal Adam; prints their test errors and what is left of each layer.",
    )
    parser.add_argument("--epochs", type=int, default=30, help="passes over the data (30)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and data order (0)")
    options = parser.parse_args(argv)
    try:
        demo(options.epochs, options.seed)
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def demo(epochs: int, seed: int) -> None:
    """Trains the three networks and prints the comparison."""
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError as error:
        raise ImportError(
            "The command line needs rich, which is not installed: "
            "run `pip install 'sgl-jax[demo]'`."
        ) from error

    from sgl_jax.experiment import Config, Record, run
    from sgl_jax.report import comparison

    configs = {
        "dense": Config(None),
        "splitting": Config("splitting", "transformed_l1", lam=3e-4, group_lam=3e-4, beta=3e-2),
        "prox_adam": Config("prox_adam", "l1", lam=3e-4, group_lam=5e-5),
    }
    console = Console()
    began = time.perf_counter()
    with Progress(console=console, transient=True) as progress:

        def train(name: str, config: Config) -> Record:
            task = progress.add_task(f"training {name}", total=epochs)
            config = dataclasses.replace(config, epochs=epochs, seed=seed)
            return run(config, lambda epoch, loss: progress.update(task, completed=epoch))

        records = {name: train(name, config) for name, config in configs.items()}
    console.print(comparison(records))
    console.print(f"{epochs} epochs each, seed {seed}, {time.perf_counter() - began:.0f} s in all.")
