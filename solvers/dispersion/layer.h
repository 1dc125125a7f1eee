/* Hyperbolic functions of a layer; the includer has a type `number`, real or complex.
 *
 * Lengths are times the wavenumber k = omega / c. A potential obeys f'' = e f, with
 * e = 1 - c^2 / v^2, so that it crosses a layer of height H by
 *   C = cosh(sqrt(e) H),  S = sinh(sqrt(e) H) / sqrt(e),
 * both real and smooth where e is negative too. Both are times `scale`, which keeps them below
 * 1, and which derivatives take as a constant: a factor on the secular function moves no root.
 */
#pragma once
#include <math.h>

typedef struct {
  number e, height, cosh, sinh; /* of the layer, times scale */
  double scale;
} hyperbolic;

/* Derivative of S by e; C's is height S / 2. */
static inline number sinh_by_e(const hyperbolic *h) {
  const number x = h->e * h->height * h->height;
  if (fabs((double)x) > 0.3)
    return (h->height * h->cosh - h->sinh) / (2.0 * h->e);
  /* sum over n >= 1 of n x^(n - 1) / (2 n + 1)! */
  const number sum =
      1.0 / 6 +
      x * (2.0 / 120 +
           x * (3.0 / 5040 +
                x * (4.0 / 362880 + x * (5.0 / 39916800 + x * (6.0 / 6227020800.0 +
                                                               x * 7.0 / 1307674368000.0)))));
  return h->scale * h->height * h->height * h->height * sum;
}

static inline hyperbolic hyperbolic_of(number e, number height) {
  const double real_e = (double)e, real_height = (double)height;
  const double root = sqrt(fabs(real_e)), angle = root * real_height;
  hyperbolic h = {e, height, 0.0, 0.0, 1.0};
  double c, s;
  if (angle < 1e-4) { /* to the last bit */
    const double x = real_e * real_height * real_height;
    c = 1 + x / 2;
    s = real_height * (1 + x / 6);
  } else if (real_e > 0) {
    const double small = exp(-2 * angle);
    h.scale = exp(-angle);
    c = 0.5 * (1 + small);
    s = (angle < 0.3 ? h.scale * sinh(angle) : 0.5 * (1 - small)) / root;
  } else {
    c = cos(angle);
    s = sin(angle) / root;
  }
  h.cosh = c;
  h.sinh = s;
  return h;
}
