/* The Laplacian of vectors of cells. */
#pragma once
#include "equation.h"
#include "vector.h"

/* Strides and weights over the spacing squared, by axis; a copy on the stack of a kernel can
 * stay in registers. */
struct stencil {
  ptrdiff_t stride[2];
  real weight[3][HALO + 1], centre;
};

PVI_INLINE struct stencil stencil_of(const struct geometry *g, const struct equation *e) {
  struct stencil s = {.stride = {g->sz, g->sy}};
  for (int axis = 0; axis < 3; axis++) {
    for (int k = 0; k <= HALO; k++)
      s.weight[axis][k] = e->d2[axis][k];
    s.centre += e->d2[axis][0];
  }
  return s;
}

/* Second derivative along z without its centre, of n planes: `p` points to the first. What they
 * share is read once. Sums of different cells alternate, to hide the latency of each. */
PVI_INLINE void laplacian_z(const struct stencil *s, const real *p, int n, vector *sum) {
  const ptrdiff_t step = s->stride[0];
  const real *first = p - HALO * step; /* few base addresses: fewer registers */
  vector plane[2 * HALO + 2];
#pragma GCC unroll 2
  for (int i = 0; i < n; i++)
    plane[HALO + i] = load(first + (HALO + i) * step);
#pragma GCC unroll 8
  for (int k = 1; k <= HALO; k++) {
    plane[HALO - k] = load(first + (HALO - k) * step);
    plane[HALO + n - 1 + k] = load(first + (HALO + n - 1 + k) * step);
#pragma GCC unroll 2
    for (int i = 0; i < n; i++) {
      const vector pair = plane[HALO + i - k] + plane[HALO + i + k];
      sum[i] = k == 1 ? s->weight[0][k] * pair : sum[i] + s->weight[0][k] * pair;
    }
  }
}

/* The same along y. */
PVI_INLINE void laplacian_y(const struct stencil *s, const real *p, int n, vector *sum) {
  const ptrdiff_t step = s->stride[1];
#pragma GCC unroll 8
  for (int k = 1; k <= HALO; k++) {
#pragma GCC unroll 2
    for (int i = 0; i < n; i++) {
      const real *first = p + i * s->stride[0] - HALO * step;
      const vector pair = load(first + (HALO + k) * step) + load(first + (HALO - k) * step);
      sum[i] = k == 1 ? s->weight[1][k] * pair : sum[i] + s->weight[1][k] * pair;
    }
  }
}

/* Along x, with the centre of all axes. */
PVI_INLINE vector laplacian_x(const struct stencil *s, const real *p) {
  const struct window w = window_at(p);
  vector sum = s->centre * w.here;
#pragma GCC unroll 8
  for (int k = 1; k <= HALO; k++)
    sum += s->weight[2][k] * (shifted(&w, p, k) + shifted(&w, p, -k));
  return sum;
}
