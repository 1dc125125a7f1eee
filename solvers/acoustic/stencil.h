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
