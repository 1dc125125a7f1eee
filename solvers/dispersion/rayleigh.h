/* Rayleigh waves: minors of two solutions; the includer has a type `number`.
 *
 * With potentials f, g of P and SV (f'' = e_p f, g'' = e_s g; ' is by k z) displacements and
 * tractions are, divided by k and k^2 mu-like units,
 *   U = f + g',  Z = t f + 2 mu g',     W = f' + g,  S = 2 mu f' + t g,
 * with t = 2 mu - rho c^2. Minors are those of x = (f, g', f', g); 13 and 24 are equal, as they
 * are in the half-space and as every layer and interface keeps them.
 */
#pragma once
#include "layer.h"

typedef struct {
  number p, q, r, s, v; /* minors 12, 13 = 24, 14, 23, 34 */
} minors;

typedef struct {
  number mu, t, rho;
} solid;

/* The coefficients of an interface: x1 = a x1 + b x2, x2 = c x1 + d x2, x3 = d x3 + c x4,
 * x4 = b x3 + a x4, all over rho c^2 of the layer above, which is left out. */
typedef struct {
  number a, b, c, d, det;
} contact;

static inline contact contact_of(solid above, solid below, number c) {
  const number square = c * c;
  const contact i = {2.0 * above.mu - below.t, 2.0 * (above.mu - below.mu), below.t - above.t,
                     2.0 * below.mu - above.t, above.rho * below.rho * square * square};
  return i;
}

/* From below an interface to above it. */
static inline minors cross(minors m, const contact *i) {
  const minors up = {
      i->det * m.p, (i->det + 2.0 * i->b * i->c) * m.q + i->a * i->c * m.r + i->b * i->d * m.s,
      2.0 * i->a * i->b * m.q + i->a * i->a * m.r + i->b * i->b * m.s,
      2.0 * i->c * i->d * m.q + i->c * i->c * m.r + i->d * i->d * m.s, i->det * m.v};
  return up;
}

/* From the bottom of a layer to its top: P, then SV. */
static inline minors rise_p(minors m, const hyperbolic *a) {
  const number e = a->e * a->sinh;
  const minors up = {a->cosh * m.p + a->sinh * m.s, a->scale * m.q,
                     a->cosh * m.r - a->sinh * m.v, a->cosh * m.s + e * m.p,
                     a->cosh * m.v - e * m.r};
  return up;
}

static inline minors rise_s(minors m, const hyperbolic *b) {
  const number e = b->e * b->sinh;
  const minors up = {b->cosh * m.p - e * m.r, b->scale * m.q, b->cosh * m.r - b->sinh * m.p,
                     b->cosh * m.s + e * m.v, b->cosh * m.v + b->sinh * m.s};
  return up;
}

static inline minors scaled(minors m, double by) {
  const minors found = {by * m.p, by * m.q, by * m.r, by * m.s, by * m.v};
  return found;
}

/* Minor of the displacements U and W. */
static inline number displaced(minors m) { return 2.0 * m.q + m.r + m.s; }

/* Minor of the tractions Z and S. */
static inline number pulled(minors m, solid top) {
  return 4.0 * top.mu * top.t * m.q + top.t * top.t * m.r + 4.0 * top.mu * top.mu * m.s;
}

static inline double largest(minors m) {
  return fmax(fmax(fabs((double)m.p), fabs((double)m.q)),
              fmax(fmax(fabs((double)m.r), fabs((double)m.s)), fabs((double)m.v)));
}
