"""The couplings of a stencil in torch, offset by offset: what the compiled kernels repeat."""

import torch


class TwinStencil:
    """Products with the couplings of `stencil`; arguments and results as there."""

    def __init__(self, stencil):
        self.stencil = stencil

    def views(self):
        """Yield, for each offset, the cells coupled from and those coupled to, as slices."""
        for offset in self.stencil.offsets:
            yield self._inside(offset, 1), self._inside(offset, -1)

    def couple(self, coefficients, values):
        full = self.stencil.scatter(values)
        out = torch.zeros_like(full)
        for c, (origin, target) in zip(coefficients, self.views(), strict=True):
            out[:, *target] += c[origin] * full[:, *origin]
        return self.stencil.gather(out)

    def couple_back(self, coefficients, values):
        full = self.stencil.scatter(values)
        out = torch.zeros_like(full)
        for c, (origin, target) in zip(coefficients, self.views(), strict=True):
            out[:, *origin] += c[origin] * full[:, *target]
        return self.stencil.gather(out)

    def products(self, eps, gradient):
        out = eps.new_zeros(self.stencil.shape)
        pairs = zip(self.stencil.scatter(eps), self.stencil.scatter(gradient), strict=True)
        samples = list(pairs)
        for c, (origin, target) in zip(out, self.views(), strict=True):
            for a, b in samples:
                c[origin] += a[origin] * b[target]
        return out

    def _inside(self, offset, sign):
        """Return the cells whose neighbour at `sign * offset` is on the grid."""
        shape = self.stencil.active.shape
        return tuple(
            slice(max(0, -sign * o), n - max(0, sign * o))
            for o, n in zip(offset, shape, strict=True)
        )
