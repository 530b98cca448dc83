"""Ties and protections that follow from grids of positions."""

import numpy as np

from sgl_jax.compaction.axes._disjoint_sets import DisjointSets


__all__ = ["close"]


def close(sets: DisjointSets) -> None:
    """Ties what grids show to stay or to go together, until nothing new follows.

    A factor stays if any of its positions does, since no axis is ever empty; a position if all of
    its factors do. So factors of the same positions are tied, and positions of the same factors,
    apart from factors that have to stay.
    """
    before = None
    while sets.grids and before != (now := (sets.roots().tobytes(), len(sets.reasons()))):
        before = now
        _tie_factors(sets)
        _protect_factors(sets)
        _tie_positions(sets)


def _tie_factors(sets: DisjointSets) -> None:
    """Ties factors of the same positions; one whose positions are all tied is tied to them."""
    known: dict[bytes, int] = {}
    pairs = []
    for grid in sets.grids:
        for factor, positions in grid.slices:
            rows = np.sort(sets.find(positions), axis=1)
            for position, row in zip(factor.tolist(), rows, strict=True):
                same = known.setdefault(row.tobytes(), position)
                pairs.append((position, row[0] if row[0] == row[-1] else same))
    sets.union(*np.array(pairs).T)


def _protect_factors(sets: DisjointSets) -> None:
    """Protects the factors of positions that have to stay."""
    reasons = sets.reasons()
    for grid in sets.grids:
        for factor, positions in grid.slices:
            for position, row in zip(factor.tolist(), sets.find(positions).tolist(), strict=True):
                why = next((reasons[root] for root in row if root in reasons), None)
                if why is not None:
                    sets.protected.setdefault(position, why)


def _tie_positions(sets: DisjointSets) -> None:
    """Ties positions of the same factors; one of a single factor, of those that may go, to that."""
    reasons = sets.reasons()
    protected = np.zeros(len(sets), bool)
    protected[list(reasons)] = True
    rank = max(len(grid.factors) for grid in sets.grids)
    rows, positions = [], []
    for grid in sets.grids:
        roots = grid.combine([sets.find(factor) for factor in grid.factors])
        roots = roots.reshape(len(roots), -1).T
        stays = protected[roots].all(axis=1)
        for position, root in zip(grid.positions.reshape(-1)[stays], roots[stays, 0], strict=True):
            sets.protected.setdefault(int(position), reasons[int(root)])
        free = np.sort(np.where(protected[roots], -1, roots)[~stays], axis=1)
        rows.append(np.pad(free, ((0, 0), (rank - free.shape[1], 0)), constant_values=-1))
        positions.append(grid.positions.reshape(-1)[~stays])
    found, factors = np.concatenate(positions), np.concatenate(rows)
    _, first, inverse = np.unique(factors, axis=0, return_index=True, return_inverse=True)
    sets.union(found, found[first[inverse]])
    single = (factors >= 0).sum(axis=1) == 1
    sets.union(found[single], factors[single, -1])
