"""A natural gradient of a sparse triangular factor, without a solve.

A change `L A` of a triangular factor costs `|A|^2 + |diag A|^2` in Fisher information, so that
the natural gradient of a full `L` is `L A` with `A` the lower triangle of `L^T G`, its diagonal
halved. Here `A` and `L A` are cut to the couplings that the factor has. The map from `G` stays
symmetric and positive, so the direction still climbs; on tomography it needs no more
iterations than the exact inverse, which would need the dense `(L L^T)^{-1}`.
"""

from collections.abc import Iterator

from torch import Tensor, zeros_like

from pvi_hpc.families.gaussian.stencil import Stencil

__all__ = ["sparse_natural"]

Slices = tuple[slice, slice, slice]
Columns = tuple[Tensor, Tensor]


def sparse_natural(stencil: Stencil, factor: Columns, gradient: Columns) -> Columns:
    """Return the change of a `factor` for the `gradient` by its entries.

    Each is the diagonal `(n,)` and the coefficients `(K, nz, ny, nx)`, which must be zero where
    they couple to no cell. `O(K^2)` products of fields.
    """
    entries, by_entries = _stacked(stencil, factor), _stacked(stencil, gradient)
    inner, change = zeros_like(entries), zeros_like(entries)
    triples = list(_triples(stencil))
    for a, b, d, origin, target in triples:
        inner[a][origin] += entries[d][target] * by_entries[b][origin]
    inner[0] *= 0.5
    for a, b, d, origin, target in triples:
        change[b][origin] += entries[d][target] * inner[a][origin]
    return stencil.gather(change[:1])[0], change[1:]


def _stacked(stencil: Stencil, columns: Columns) -> Tensor:
    """Return diagonal and coefficients as one array `(1 + K, nz, ny, nx)`."""
    diagonal, coefficients = columns
    stacked = coefficients.new_zeros(1 + len(coefficients), *stencil.active.shape)
    stacked[0] = stencil.scatter(diagonal[None])[0]
    stacked[1:] = coefficients
    return stacked


def _triples(stencil: Stencil) -> Iterator[tuple[int, int, int, Slices, Slices]]:
    """Yield `a, b, d` with `offset_b = offset_a + offset_d`, and the cells `j` and `j + a`."""
    offsets = [(0, 0, 0), *stencil.offsets]
    index = {offset: i for i, offset in enumerate(offsets)}
    for a, from_cell in enumerate(offsets):
        origin, target = _cells(from_cell, stencil, 1), _cells(from_cell, stencil, -1)
        for b, to_cell in enumerate(offsets):
            step = tuple(t - f for t, f in zip(to_cell, from_cell, strict=True))
            d = index.get((step[0], step[1], step[2]))
            if d is not None:
                yield a, b, d, origin, target


def _cells(offset: tuple[int, ...], stencil: Stencil, sign: int) -> Slices:
    """Return the cells whose neighbour at `sign * offset` is on the grid."""
    z, y, x = (
        slice(max(0, -sign * o), n - max(0, sign * o))
        for o, n in zip(offset, stencil.active.shape, strict=True)
    )
    return z, y, x
