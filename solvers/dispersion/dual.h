/* Numbers with a tiny imaginary part: their derivative along a direction, to the last bit.
 *
 * Products of two imaginary parts are below one rounding of the real part, so that complex
 * arithmetic is that of values and derivatives (Squire & Trapp 1998, SIAM Review 40).
 */
#pragma once
#include <complex.h>
typedef double _Complex number;
#include "layer.h"

static inline number joined(double value, double change) {
  return value + change * (double _Complex)I;
}

/* The functions of a layer with their derivatives. */
static inline hyperbolic dual_hyperbolic(number e, number height) {
  hyperbolic h = hyperbolic_of(e, height);
  const double c = creal(h.cosh), s = creal(h.sinh), e0 = creal(e), h0 = creal(height);
  hyperbolic real = h;
  real.e = e0;
  real.height = h0;
  const double s_by_e = creal(sinh_by_e(&real));
  h.cosh = joined(c, 0.5 * h0 * s * cimag(e) + e0 * s * cimag(height));
  h.sinh = joined(s, s_by_e * cimag(e) + c * cimag(height));
  return h;
}

/* Derivatives of the secular function by the terms of a layer. */
typedef struct {
  number cosh, sinh, e, height;
} hyperbolic_bar;

/* Take derivatives by C, S and e to e and the height. */
static inline void hyperbolic_back(const hyperbolic *h, hyperbolic_bar *bar) {
  bar->e += 0.5 * bar->cosh * h->height * h->sinh + bar->sinh * sinh_by_e(h);
  bar->height = bar->cosh * h->e * h->sinh + bar->sinh * h->cosh;
}

/* Take the derivative by e = 1 - c^2 / v^2 to v and c. */
static inline void e_back(number bar, number c, double v, number *by_v, number *by_c) {
  *by_v += 2.0 * bar * c * c / (v * v * v);
  *by_c -= 2.0 * bar * c / (v * v);
}

/* Take the derivative by the height omega h / c to omega and c. */
static inline void height_back(number bar, number omega, number c, double thickness,
                               number *by_omega, number *by_c) {
  *by_omega += bar * thickness / c;
  *by_c -= bar * omega * thickness / (c * c);
}
