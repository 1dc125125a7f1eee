/* Derivatives of the secular function of Rayleigh waves, by its recursion run backwards. */
#include "dual.h"
#include "rayleigh.h"
#include "stack.h"

/* A layer on the way up: minors below its interface, at its bottom and between P and SV. */
typedef struct {
  minors below, bottom, between;
} passage;

_Static_assert(sizeof(passage) <= PVI_DISPERSION_WORK * sizeof(number), "work is too small");

static inline solid solid_of(const pvi_dispersion_model *m, int32_t i, number c) {
  const double mu = m->density[i] * m->vs[i] * m->vs[i];
  const solid s = {mu, 2.0 * mu - m->density[i] * c * c, m->density[i]};
  return s;
}

static inline number root_square(number c, double v) { return 1.0 - c * c / (v * v); }

static void rise_p_back(const minors *m, const hyperbolic *a, minors *bar, hyperbolic_bar *h) {
  const number e = a->e * a->sinh, by_e = bar->s * m->p - bar->v * m->r;
  h->cosh = bar->p * m->p + bar->s * m->s + bar->r * m->r + bar->v * m->v;
  h->sinh = bar->p * m->s - bar->r * m->v + by_e * a->e;
  h->e = by_e * a->sinh;
  const minors down = {a->cosh * bar->p + e * bar->s, a->scale * bar->q,
                       a->cosh * bar->r - e * bar->v, a->cosh * bar->s + a->sinh * bar->p,
                       a->cosh * bar->v - a->sinh * bar->r};
  *bar = down;
  hyperbolic_back(a, h);
}

static void rise_s_back(const minors *m, const hyperbolic *b, minors *bar, hyperbolic_bar *h) {
  const number e = b->e * b->sinh, by_e = bar->s * m->v - bar->p * m->r;
  h->cosh = bar->p * m->p + bar->s * m->s + bar->r * m->r + bar->v * m->v;
  h->sinh = bar->v * m->s - bar->r * m->p + by_e * b->e;
  h->e = by_e * b->sinh;
  const minors down = {b->cosh * bar->p - b->sinh * bar->r, b->scale * bar->q,
                       b->cosh * bar->r - e * bar->p, b->cosh * bar->s + b->sinh * bar->v,
                       b->cosh * bar->v + e * bar->s};
  *bar = down;
  hyperbolic_back(b, h);
}

static contact cross_back(const minors *m, const contact *i, minors *bar) {
  const number qq = bar->q * m->q, qr = bar->q * m->r, qs = bar->q * m->s;
  const number rq = bar->r * m->q, rr = bar->r * m->r, rs = bar->r * m->s;
  const number sq = bar->s * m->q, sr = bar->s * m->r, ss = bar->s * m->s;
  const number a = i->a, b = i->b, c = i->c, d = i->d;
  const contact by = {qr * c + 2.0 * (rq * b + rr * a),
                      2.0 * (qq * c + rq * a + rs * b) + qs * d,
                      2.0 * (qq * b + sq * d + sr * c) + qr * a,
                      qs * b + 2.0 * (sq * c + ss * d), bar->p * m->p + bar->v * m->v + qq};
  const minors down = {i->det * bar->p,
                       (i->det + 2.0 * b * c) * bar->q +
                           2.0 * (a * b * bar->r + c * d * bar->s),
                       a * c * bar->q + a * a * bar->r + c * c * bar->s,
                       b * d * bar->q + b * b * bar->r + d * d * bar->s, i->det * bar->v};
  *bar = down;
  return by;
}

static void contact_back(const contact *by, solid above, solid below, number c,
                         solid *above_bar, solid *below_bar, pvi_slope *slope) {
  const number power = c * c * c * c;
  above_bar->mu += 2.0 * (by->a + by->b);
  above_bar->t -= by->c + by->d;
  above_bar->rho += by->det * below.rho * power;
  below_bar->mu += 2.0 * (by->d - by->b);
  below_bar->t += by->c - by->a;
  below_bar->rho += by->det * above.rho * power;
  slope->by_c += 4.0 * by->det * above.rho * below.rho * c * c * c;
}

/* Take the derivatives by mu, t and rho of a layer to its velocities and density. */
static void solid_back(const pvi_dispersion_model *m, int32_t i, solid bar, pvi_slope *slope) {
  const double rho = m->density[i], vs = m->vs[i];
  const number c = slope->c, mu = bar.mu + 2.0 * bar.t;
  slope->by_c -= 2.0 * rho * c * bar.t;
  slope->by_layer[m->n_layers + i] += 2.0 * rho * vs * mu;
  slope->by_layer[2 * m->n_layers + i] += bar.rho - c * c * bar.t + vs * vs * mu;
}

/* The secular function, without its sign and size: derivatives by its minors and its solid. */
static minors top_back(const pvi_dispersion_model *m, minors at, solid top, solid *bar,
                       pvi_slope *slope) {
  const number c = slope->c, omega = slope->omega, mu = top.mu, t = top.t;
  number cosh = 1.0;
  minors by = {0.0, 0.0, 0.0, 0.0, 0.0};
  if (m->water_thickness > 0) {
    const number power = c * c * c * c;
    const hyperbolic w =
        dual_hyperbolic(root_square(c, m->water_velocity), omega / c * m->water_thickness);
    const double rho = m->water_density;
    hyperbolic_bar h = {pulled(at, top), -rho * top.rho * power * at.v, 0.0, 0.0};
    cosh = w.cosh;
    by.v = -rho * top.rho * power * w.sinh;
    bar->rho -= rho * power * w.sinh * at.v;
    slope->by_c -= 4.0 * rho * top.rho * c * c * c * w.sinh * at.v;
    hyperbolic_back(&w, &h);
    number unused = 0.0;
    e_back(h.e, c, m->water_velocity, &unused, &slope->by_c);
    height_back(h.height, omega, c, m->water_thickness, &slope->by_omega, &slope->by_c);
  }
  by.q = cosh * 4.0 * mu * t;
  by.r = cosh * t * t;
  by.s = cosh * 4.0 * mu * mu;
  bar->mu += cosh * (4.0 * t * at.q + 8.0 * mu * at.s);
  bar->t += cosh * (4.0 * mu * at.q + 2.0 * t * at.r);
  return by;
}

/* The half-space, whose minors are -b, 0, 1, -a b, -a with the roots a of P and b of SV. */
static void bottom_back(const pvi_dispersion_model *m, number a, number b, minors bar,
                        pvi_slope *slope) {
  const int32_t last = m->n_layers - 1;
  number *vp = slope->by_layer + last, *vs = vp + m->n_layers;
  e_back((-bar.s * b - bar.v) / (2.0 * a), slope->c, m->vp[last], vp, &slope->by_c);
  e_back((-bar.s * a - bar.p) / (2.0 * b), slope->c, m->vs[last], vs, &slope->by_c);
}

void pvi_rayleigh_slope(const pvi_dispersion_model *m, pvi_slope *slope) {
  const int32_t n = m->n_layers, last = n - 1;
  const number c = slope->c, k = slope->omega / c;
  passage *pass = (passage *)slope->work;
  const number a = csqrt(root_square(c, m->vp[last])), b = csqrt(root_square(c, m->vs[last]));
  minors at = {-b, 0.0, 1.0, -a * b, -a};
  for (int32_t i = last - 1; i >= 0; i--) {
    const contact on = contact_of(solid_of(m, i, c), solid_of(m, i + 1, c), c);
    pass[i].below = at;
    at = cross(at, &on);
    at = scaled(at, 1 / largest(at));
    pass[i].bottom = at;
    const hyperbolic p = dual_hyperbolic(root_square(c, m->vp[i]), k * m->thickness[i]);
    const hyperbolic s = dual_hyperbolic(root_square(c, m->vs[i]), k * m->thickness[i]);
    pass[i].between = rise_p(at, &p);
    at = rise_s(pass[i].between, &s);
  }
  solid here = {0.0, 0.0, 0.0};
  slope->by_c = slope->by_omega = 0.0;
  for (int32_t i = 0; i < 3 * n; i++)
    slope->by_layer[i] = 0.0;
  minors bar = top_back(m, at, solid_of(m, 0, c), &here, slope);
  for (int32_t i = 0; i < last; i++) {
    const hyperbolic p = dual_hyperbolic(root_square(c, m->vp[i]), k * m->thickness[i]);
    const hyperbolic s = dual_hyperbolic(root_square(c, m->vs[i]), k * m->thickness[i]);
    hyperbolic_bar by_p, by_s;
    rise_s_back(&pass[i].between, &s, &bar, &by_s);
    rise_p_back(&pass[i].bottom, &p, &bar, &by_p);
    e_back(by_p.e, c, m->vp[i], slope->by_layer + i, &slope->by_c);
    e_back(by_s.e, c, m->vs[i], slope->by_layer + n + i, &slope->by_c);
    height_back(by_p.height + by_s.height, slope->omega, c, m->thickness[i], &slope->by_omega,
                &slope->by_c);
    solid below = {0.0, 0.0, 0.0};
    const solid upper = solid_of(m, i, c), lower = solid_of(m, i + 1, c);
    const contact on = contact_of(upper, lower, c);
    bar = scaled(bar, 1 / largest(cross(pass[i].below, &on)));
    const contact by = cross_back(&pass[i].below, &on, &bar);
    contact_back(&by, upper, lower, c, &here, &below, slope);
    solid_back(m, i, here, slope);
    here = below;
  }
  bottom_back(m, a, b, bar, slope);
  solid_back(m, last, here, slope);
}
