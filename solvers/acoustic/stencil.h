/* The Laplacian of vectors of cells. */
#pragma once
#include "plan.h"
#include "vector.h"

/* Centred weights of the second derivative without the spacing (Fornberg 1988, Mathematics of
 * Computation 51). */
static const double PVI(weights)[PVI_HALO + 1] = {
#if PVI_ORDER == 4
    -5.0 / 2, 4.0 / 3, -1.0 / 12
#elif PVI_ORDER == 8
  -205.0 / 72,
  8.0 / 5,
  -1.0 / 5,
  8.0 / 315,
  -1.0 / 560
#elif PVI_ORDER == 12
  -5369.0 / 1800,
  12.0 / 7,
  -15.0 / 56,
  10.0 / 189,
  -1.0 / 112,
  2.0 / 1925,
  -1.0 / 16632
#endif
};

/* Strides and weights over the spacing squared, by axis; a copy on the stack of a kernel can
 * stay in registers. */
typedef struct {
  ptrdiff_t stride[2];
  real weight[3][PVI_HALO + 1], centre;
} PVI(stencil);

PVI_INLINE PVI(stencil) PVI(stencil_of)(const PVI(plan) *plan) {
  PVI(stencil) s = {.stride = {plan->g.sz, plan->g.sy}};
  for (int axis = 0; axis < 3; axis++) {
    for (int k = 0; k <= PVI_HALO; k++)
      s.weight[axis][k] = plan->d2[axis][k];
    s.centre += plan->d2[axis][0];
  }
  return s;
}

/* Second derivative along z without its centre, of n planes: `p` points to the first. What they
 * share is read once. Sums of different cells alternate, to hide the latency of each. */
PVI_INLINE void PVI(laplacian_z)(const PVI(stencil) *s, const real *p, int n,
                                 PVI(vector) *sum) {
  const ptrdiff_t step = s->stride[0];
  const real *first = p - PVI_HALO * step; /* few base addresses: fewer registers */
  PVI(vector) plane[2 * PVI_HALO + 2];
#pragma GCC unroll 2
  for (int i = 0; i < n; i++)
    plane[PVI_HALO + i] = PVI(load)(first + (PVI_HALO + i) * step);
#pragma GCC unroll 8
  for (int k = 1; k <= PVI_HALO; k++) {
    plane[PVI_HALO - k] = PVI(load)(first + (PVI_HALO - k) * step);
    plane[PVI_HALO + n - 1 + k] = PVI(load)(first + (PVI_HALO + n - 1 + k) * step);
#pragma GCC unroll 2
    for (int i = 0; i < n; i++) {
      const PVI(vector) pair = plane[PVI_HALO + i - k] + plane[PVI_HALO + i + k];
      sum[i] = k == 1 ? s->weight[0][k] * pair : sum[i] + s->weight[0][k] * pair;
    }
  }
}

/* The same along y. */
PVI_INLINE void PVI(laplacian_y)(const PVI(stencil) *s, const real *p, int n,
                                 PVI(vector) *sum) {
  const ptrdiff_t step = s->stride[1];
#pragma GCC unroll 8
  for (int k = 1; k <= PVI_HALO; k++) {
#pragma GCC unroll 2
    for (int i = 0; i < n; i++) {
      const real *first = p + i * s->stride[0] - PVI_HALO * step;
      const PVI(vector) pair =
          PVI(load)(first + (PVI_HALO + k) * step) + PVI(load)(first + (PVI_HALO - k) * step);
      sum[i] = k == 1 ? s->weight[1][k] * pair : sum[i] + s->weight[1][k] * pair;
    }
  }
}

/* Along x, with the centre of all axes. */
PVI_INLINE PVI(vector) PVI(laplacian_x)(const PVI(stencil) *s, const real *p) {
  const PVI(window) w = PVI(window_at)(p);
  PVI(vector) sum = s->centre * w.here;
#pragma GCC unroll 8
  for (int k = 1; k <= PVI_HALO; k++)
    sum += s->weight[2][k] * (PVI(shifted)(&w, p, k) + PVI(shifted)(&w, p, -k));
  return sum;
}
