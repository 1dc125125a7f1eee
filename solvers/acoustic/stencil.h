/* Centred differences of order 8 at one element; s is the stride along the axis. */
#pragma once
#include "real.h"
#include <stddef.h>

/* The second derivative without its centre weight c[0]. */
static inline real PVI(pairs)(const real *p, ptrdiff_t s, const real *c) {
  return c[1] * (p[s] + p[-s]) + c[2] * (p[2 * s] + p[-2 * s]) + c[3] * (p[3 * s] + p[-3 * s]) +
         c[4] * (p[4 * s] + p[-4 * s]);
}

static inline real PVI(first)(const real *p, ptrdiff_t s, const real *d) {
  return d[1] * (p[s] - p[-s]) + d[2] * (p[2 * s] - p[-2 * s]) + d[3] * (p[3 * s] - p[-3 * s]) +
         d[4] * (p[4 * s] - p[-4 * s]);
}

/* Rows a kernel asks for in advance. */
enum { PVI_AHEAD = 2 };

/* Ask for a row that comes from memory. Reaching beyond an array is harmless. */
static inline void PVI(prefetch)(ptrdiff_t n, const real *row) {
  for (ptrdiff_t x = 0; x < n; x += PVI_LANES)
    __builtin_prefetch(row + x);
}
