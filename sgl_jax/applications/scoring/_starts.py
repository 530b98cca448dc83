"""The scores that a search starts from: the same ones every time, so that results are, too."""

import numpy as np
from jaxtyping import Float

from sgl_jax.applications.scoring._problem import Problem


__all__ = ["list_starts", "pull_norms"]


def pull_norms(
    problem: Problem, basis: Float[np.ndarray, "K m"]
) -> tuple[Float[np.ndarray, "s"], Float[np.ndarray, "s m"]]:
    """Finds how strongly the free scores can pull each column, or each group.

    Args:
      problem: the data.
      basis: the free scores.

    Returns:
      The spectral norms of the blocks of ``W B``, divided by the square roots of the sizes of the
      groups, and for each block the scores that pull most strongly.
    """
    pull = problem.pull @ basis
    if len(problem.starts) == len(pull):
        norms = np.linalg.norm(pull, axis=1)
        return norms, pull / np.where(norms > 0, norms, 1.0)[:, None]
    squares = np.add.reduceat(pull[:, :, None] * pull[:, None, :], problem.starts, axis=0)
    values, vectors = np.linalg.eigh(squares)
    return np.sqrt(np.maximum(values[:, -1], 0.0) / problem.sizes), vectors[:, :, -1]


def list_starts(
    problem: Problem, basis: Float[np.ndarray, "K m"], most: int | None = None
) -> list[Float[np.ndarray, "m"]]:
    """Lists all eigenvectors of the ridge, the strongest first, and the strongest feature or group.

    Args:
      problem: the data.
      basis: the free scores.
      most: how many of them count; all by default.
    """
    if basis.shape[1] == 1:
        return [np.ones(1)]
    vectors = np.linalg.eigh(basis.T @ problem.ridge @ basis)[1]
    grouped = len(problem.starts) < problem.x.shape[1]
    blocks = [problem.ungrouped, problem] if grouped else [problem]
    found = [*vectors.T[::-1]]
    for block in blocks:
        norms, directions = pull_norms(block, basis)
        best = directions[np.argmax(norms)]
        found += [best] if best.any() else []
    return found[:most]
