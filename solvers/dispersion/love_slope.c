/* Derivatives of the secular function of Love waves, by its recursion run backwards. */
#include "dual.h"
#include "stack.h"

/* Displacement and traction at the bottom of a layer, and the factor they had at its top. */
typedef struct {
  number v, tau, size;
} carried;

_Static_assert(sizeof(carried) <= PVI_DISPERSION_WORK * sizeof(number), "work is too small");

static inline number root_square(number c, double v) { return 1.0 - c * c / (v * v); }

/* Take the derivative by mu = rho vs^2 to both. */
static void mu_back(const pvi_dispersion_model *m, int32_t i, number bar, pvi_slope *slope) {
  slope->by_layer[m->n_layers + i] += 2.0 * m->density[i] * m->vs[i] * bar;
  slope->by_layer[2 * m->n_layers + i] += m->vs[i] * m->vs[i] * bar;
}

void pvi_love_slope(const pvi_dispersion_model *m, pvi_slope *slope) {
  const int32_t n = m->n_layers, last = n - 1;
  const number c = slope->c, k = slope->omega / c, root = csqrt(root_square(c, m->vs[last]));
  const double end = m->density[last] * m->vs[last] * m->vs[last];
  carried *pass = (carried *)slope->work;
  number v = 1.0, tau = -end * root;
  for (int32_t i = last - 1; i >= 0; i--) {
    const double mu = m->density[i] * m->vs[i] * m->vs[i];
    const hyperbolic h = dual_hyperbolic(root_square(c, m->vs[i]), k * m->thickness[i]);
    const number up = h.cosh * v - h.sinh * tau / mu;
    const number pull = h.cosh * tau - mu * h.e * h.sinh * v;
    const double size = 1 / fmax(fabs(creal(up)), fabs(creal(pull)) / mu);
    const carried at = {v, tau, size};
    pass[i] = at;
    v = up * size;
    tau = pull * size;
  }
  slope->by_c = slope->by_omega = 0.0;
  for (int32_t i = 0; i < 3 * n; i++)
    slope->by_layer[i] = 0.0;
  number v_bar = 0.0, tau_bar = 1.0;
  for (int32_t i = 0; i < last; i++) {
    const double mu = m->density[i] * m->vs[i] * m->vs[i];
    const hyperbolic h = dual_hyperbolic(root_square(c, m->vs[i]), k * m->thickness[i]);
    const number up = v_bar * pass[i].size, pull = tau_bar * pass[i].size;
    const number x = pass[i].v, y = pass[i].tau, e = h.e * h.sinh;
    hyperbolic_bar by = {up * x + pull * y, -up * y / mu - pull * mu * h.e * x,
                         -pull * mu * h.sinh * x, 0.0};
    mu_back(m, i, up * h.sinh * y / (mu * mu) - pull * e * x, slope);
    v_bar = up * h.cosh - pull * mu * e;
    tau_bar = pull * h.cosh - up * h.sinh / mu;
    hyperbolic_back(&h, &by);
    e_back(by.e, c, m->vs[i], slope->by_layer + n + i, &slope->by_c);
    height_back(by.height, slope->omega, c, m->thickness[i], &slope->by_omega, &slope->by_c);
  }
  e_back(-tau_bar * end / (2.0 * root), c, m->vs[last], slope->by_layer + n + last,
         &slope->by_c);
  mu_back(m, last, -tau_bar * root, slope);
}
