/* The Laplacian of one vector of cells. */
#pragma once
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

/* `at` is where the window's `here` was read. */
PVI_INLINE PVI(vector)
    PVI(laplacian)(const PVI(stencil) *s, const PVI(window) *w, const real *at) {
  PVI(vector) along[3];
  for (int axis = 0; axis < 2; axis++) {
    const ptrdiff_t step = s->stride[axis];
    const real *first = at - PVI_HALO * step; /* few base addresses: fewer registers */
    along[axis] = s->weight[axis][1] *
                  (PVI(load)(first + (PVI_HALO + 1) * step) +
                   PVI(load)(first + (PVI_HALO - 1) * step));
#pragma GCC unroll 8
    for (int k = 2; k <= PVI_HALO; k++)
      along[axis] += s->weight[axis][k] * (PVI(load)(first + (PVI_HALO + k) * step) +
                                           PVI(load)(first + (PVI_HALO - k) * step));
  }
  along[2] = s->centre * w->here;
#pragma GCC unroll 8
  for (int k = 1; k <= PVI_HALO; k++)
    along[2] += s->weight[2][k] * (PVI(shifted)(w, at, k) + PVI(shifted)(w, at, -k));
  return along[0] + along[1] + along[2];
}
