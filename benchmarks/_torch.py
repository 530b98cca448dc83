"""LeNet-5 in PyTorch, trained as it is meant to be there: the dense peer."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np


__all__ = ["build_lenet5", "make_tensors", "time_epochs"]


def build_lenet5() -> Any:
    """Builds the layers of :class:`sgl_jax.models.LeNet5`."""
    from torch import nn

    convolutions = (nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2))
    convolutions += (nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(
        *convolutions, nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10)
    )


def make_tensors(x: np.ndarray, y: np.ndarray, device: str = "cpu") -> tuple[Any, Any]:
    """Makes tensors of images, channels first, and of labels."""
    import torch

    images = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return torch.from_numpy(images).to(device), torch.from_numpy(y).long().to(device)


def time_epochs(
    x: np.ndarray, y: np.ndarray, batch_size: int, rounds: int, tf32: dict[str, bool]
) -> dict[str, float]:
    """Measures median seconds of an epoch with Adam: eager, and on a GPU as CUDA graphs.

    Args:
      x: images.
      y: labels.
      batch_size: images per step.
      rounds: timed epochs of each, in turn, after one that warms up.
      tf32: if true, a ``product`` or a ``convolution`` may use TensorFloat-32.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = tf32["product"]
    torch.backends.cudnn.allow_tf32 = tf32["convolution"]
    torch.backends.cudnn.benchmark = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x, y = make_tensors(x, y, device)
    name = f"torch {torch.__version__}"
    runs = {f"{name}, eager": _Run(x, y, batch_size, {}).step}
    if device == "cuda":
        capturable = {"capturable": True, "fused": True}
        try:
            runs[f"{name}, CUDA graph"] = _capture_graph(_Run(x, y, batch_size, capturable))
        except RuntimeError as error:
            print(f"CUDA graphs are left out: {error}", flush=True)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, step in runs.items():
            began = time.perf_counter()
            order = torch.randperm(len(y), device=device)
            for indices in order[: len(y) // batch_size * batch_size].view(-1, batch_size):
                step(indices)
            if device == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times[1:]) for name, times in seconds.items()}


class _Run:
    """A network of its own, and its steps."""

    def __init__(self, x: Any, y: Any, batch_size: int, options: dict[str, bool]):
        import torch

        self.x, self.y, self.model = x, y, build_lenet5().to(x.device)
        self.adam = torch.optim.Adam(self.model.parameters(), 1e-3, **options)
        self.loss_fn = torch.nn.CrossEntropyLoss()
        self.indices = torch.zeros(batch_size, dtype=torch.long, device=x.device)

    def step(self, indices: Any) -> None:
        self.adam.zero_grad(set_to_none=True)
        images = self.x[indices].float() / 255
        self.loss_fn(self.model(images), self.y[indices]).backward()
        self.adam.step()


def _capture_graph(run: _Run) -> Callable[[Any], None]:
    """Captures the step of a run as one CUDA graph; returns a function that replays it."""
    import torch

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run.step(run.indices)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run.step(run.indices)

    def step(indices: Any) -> None:
        run.indices.copy_(indices)
        graph.replay()

    return step
