/* Adam (Kingma & Ba 2015, arXiv 1412.6980) on a short piece of an array. */
#pragma once
#include "variational.h"
#include <math.h>
#include <stddef.h>

enum { PIECE = 512 }; /* reals of gradient between their making and their use */

/* Update x and its moments with the gradient g [n]; return the sum of g^2. */
static inline double adam_step(ptrdiff_t n, const real *restrict g, const pvi_adam *adam,
                               real *restrict x, real *restrict first, real *restrict second) {
  const real decay1 = (real)adam->decay1, gain1 = (real)adam->gain1;
  const real decay2 = (real)adam->decay2, gain2 = (real)adam->gain2;
  const real root_scale = (real)adam->root_scale, epsilon = (real)adam->epsilon;
  const real scale = (real)adam->scale;
  double squares = 0.0;
#pragma omp simd reduction(+ : squares)
  for (ptrdiff_t i = 0; i < n; i++) {
    first[i] = first[i] * decay1 + g[i] * gain1;
    second[i] = second[i] * decay2 + g[i] * g[i] * gain2;
#if PVI_PRECISION == 64
    const real root = sqrt(second[i]) * root_scale + epsilon;
#else
    const real root = sqrtf(second[i]) * root_scale + epsilon;
#endif
    x[i] -= first[i] / root * scale;
    squares += (double)g[i] * (double)g[i];
  }
  return squares;
}
