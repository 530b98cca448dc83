"""The least costs that proximal operators are held against, by searches in NumPy.

On a grid of every piece between two kinks (so that zero, the kinks and the input are among the
points), refined around its best point.
"""

import numpy as np

from support.oracles import SCALARS


def _search(cost, edges, points=17, rounds=9):
    """The least cost over ``[edges[..., 0], edges[..., -1]]``, every piece searched by itself."""
    low, high = edges[..., :-1], edges[..., 1:]
    best = np.full(low.shape[:-1], np.inf)
    for _ in range(rounds):
        grid = np.linspace(low, high, points, axis=-1)
        costs = cost(grid)
        best = np.minimum(best, costs.min(axis=(-1, -2)))
        at = costs.argmin(axis=-1)[..., None]
        low = np.take_along_axis(grid, np.maximum(at - 1, 0), -1)[..., 0]
        high = np.take_along_axis(grid, np.minimum(at + 1, points - 1), -1)[..., 0]
    return best


def least_cost(name, w, step, lam, metric=1.0, **shape):
    """The minimum over z of ``step phi(|z|) + metric (z - w)^2 / 2``, for every w."""
    scalar = SCALARS[name]
    t, step, metric = np.broadcast_arrays(np.abs(w), step, metric)
    kinks = [np.full_like(t, kink) for kink in (0.0, *scalar.kinks(lam, **shape))]
    far = 2 * t + max(kink.max(initial=0) for kink in kinks)
    edges = np.sort(np.stack([-t, *kinks, t, far], axis=-1), axis=-1)
    t, step, metric = (array[..., None, None] for array in (t, step, metric))
    distance = lambda z: metric * (z - t) ** 2 / 2  # noqa: E731
    return _search(lambda z: step * scalar.phi(np.abs(z), lam, **shape) + distance(z), edges)


def least_cost_of_matrix(name, w, step, lam, **shape):
    """The minimum over matrices: that over their singular values, for the singular vectors of w."""
    return least_cost(name, np.linalg.svd(w, compute_uv=False), step, lam, **shape).sum(-1)


def least_cost_l1_minus_l2(w, step, lam, alpha, points=5, rounds=24):
    """The minimum of ``step lam (|z|_1 - alpha |z|_2) + |z - w|^2 / 2``, over the last axis of w.

    A grid around zero, the input and every way to set some of its entries to zero, always with
    the best point so far at its centre.
    """
    size = w.shape[-1]
    axes = np.meshgrid(*[np.linspace(-1, 1, points)] * size, indexing="ij")
    offsets = np.stack([axis.ravel() for axis in axes], axis=-1)
    masks = np.stack(np.meshgrid(*[(0, 1)] * size, indexing="ij"), axis=-1).reshape(-1, size)

    def cost(z):
        penalty = lam * (np.abs(z).sum(-1) - alpha * np.sqrt((z**2).sum(-1)))
        return step[:, None, None] * penalty + ((z - w[:, None, None]) ** 2).sum(-1) / 2

    centre = w[:, None] * masks
    width = np.abs(w).max(-1)[:, None, None, None]
    for _ in range(rounds):
        grid = centre[:, :, None] + width * offsets
        at = cost(grid).argmin(-1)[..., None, None]
        centre = np.take_along_axis(grid, at, 2)[:, :, 0]
        width = width * 0.5
    return cost(centre[:, :, None]).min(axis=(1, 2))


def group_residual_in_metric(z, w, d, group, entry=0.0):
    """How far z is from optimal for ``entry |z|_1 + group |z|_2 + sum d (z - w)^2 / 2``."""
    pull = d * (w - z)
    if not z.any():
        return max(np.linalg.norm(np.maximum(np.abs(pull) - entry, 0)) - group, 0.0)
    at_zero = np.maximum(np.abs(pull) - entry, 0)
    elsewhere = np.abs(pull - entry * np.sign(z) - group * z / np.linalg.norm(z))
    return np.max(np.where(z == 0, at_zero, elsewhere))


def joint_cost(entry, group, z, w, step, group_step, d):
    """``step sum entry(z_i) + group_step phi(|z|) + sum d (z - w)^2 / 2`` over the last axis.

    ``entry`` and ``group`` are a name, a strength and the shape parameters.
    """
    (entry, lam, shape), (group, group_lam, group_shape) = entry, group
    entries = SCALARS[entry].phi(np.abs(z), lam, **shape).sum(-1)
    norms = SCALARS[group].phi(np.sqrt(np.square(z).sum(-1)), group_lam, **group_shape)
    return step * entries + group_step * norms + (d * np.square(z - w)).sum(-1) / 2


def least_joint_cost(entry, group, w, step, group_step, d, seeds=5, rounds=22):
    """The least joint cost for groups of two, ``w`` of shape ``(groups, 2)``: a grid, refined."""

    def cost(z):
        parts = (x[:, None] for x in (w, d))
        return joint_cost(entry, group, z, next(parts), step, group_step, next(parts))

    def mesh(x, y):
        pairs = np.broadcast_arrays(x[..., :, None], y[..., None, :])
        return np.stack(pairs, -1).reshape(len(w), -1, 2)

    shares = np.concatenate([[0.0], np.logspace(-6, -2, 7), np.linspace(0.05, 1, 20)])
    z = mesh(w[:, :1] * shares, w[:, 1:] * shares)
    costs, reach = cost(z), np.abs(w)[:, None] / 20
    for _ in range(rounds):
        at = np.argsort(costs, axis=1)[:, :seeds, None]
        best, costs = np.take_along_axis(z, at, 1), np.take_along_axis(costs, at[..., 0], 1)
        offsets = np.stack(np.meshgrid(*[np.linspace(-1, 1, 5)] * 2), -1).reshape(1, 1, -1, 2)
        around = best[:, :, None] + reach[:, None] * offsets
        around = np.sign(w)[:, None] * np.clip(np.abs(around), 0, np.abs(w)[:, None, None]).reshape(
            len(w), -1, 2
        )
        z = np.concatenate([best, around], axis=1)
        costs, reach = cost(z), reach / 2
    return costs.min(1)
