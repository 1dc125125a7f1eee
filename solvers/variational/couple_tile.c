#include "couple_tile.h"

static inline void add_products(ptrdiff_t n, const real *restrict c,
                                const real *restrict values, real *restrict out) {
#pragma omp simd
  for (ptrdiff_t i = 0; i < n; i++)
    out[i] += c[i] * values[i];
}

void PVI(couple_tile)(const PVI(couplings) *m, pvi_tile whole, const real *values, real *out) {
  const pvi_stencil *n = m->stencil;
  const ptrdiff_t nx = n->shape[2], cells = pvi_n_cells(n);
  for (int32_t k = m->first; k < m->last; k++) {
    const int32_t *offset = n->offsets + 3 * k, sign = m->transposed ? 1 : -1;
    const int32_t shift[3] = {sign * offset[0], sign * offset[1], sign * offset[2]};
    pvi_tile t = whole;
    if (!pvi_clip(n, shift, &t))
      continue;
    const ptrdiff_t distance = pvi_distance(n, shift);
    const real *c = m->coefficients + k * cells + (m->transposed ? 0 : distance);
    for (int32_t y = t.y0; y < t.y1; y++) {
      const ptrdiff_t start = ((ptrdiff_t)t.z * n->shape[1] + y) * nx + t.x0;
      for (int32_t s = 0; s < n->n_samples; s++)
        add_products(t.x1 - t.x0, c + start, values + s * cells + start + distance,
                     out + s * cells + start);
    }
  }
}
