/* Secular function of Rayleigh waves, and the number of modes below a velocity.
 *
 * Modes slower than c at the frequency are, as at one wavenumber, the negative eigenvalues of
 * the dynamic stiffness of all interfaces (Wittrick & Williams 1971), found by eliminating
 * these from the bottom up. Layers are cut so that none has a mode with both its faces clamped,
 * which holds where the S wave turns by less than pi (by Korn's identity for clamped
 * displacements).
 */
#include <math.h>
typedef double number;
#include "rayleigh.h"
#include "stack.h"

static const double pi = 3.14159265358979323846;

/* Negative eigenvalues of a symmetric matrix of two rows: its determinant and first element. */
static inline int32_t negative(double determinant, double first) {
  if (determinant < 0)
    return 1;
  return first < 0 ? 2 : 0;
}

static inline double square_root_of(double c, double v) { return 1 - c * c / (v * v); }

/* Carry minors through one piece of a layer; count what its lower face adds. */
static minors rise(minors m, const hyperbolic *p, const hyperbolic *s, int32_t *slower) {
  const minors up = rise_s(rise_p(m, p), s);
  /* The piece clamped at its top: minors of displacements and of S and W at its bottom. */
  const double scale = p->scale * s->scale;
  const double moved =
      2 * scale - 2 * p->cosh * s->cosh + (1 + p->e * s->e) * p->sinh * s->sinh;
  const double turned = s->sinh * p->cosh - p->e * p->sinh * s->cosh;
  *slower += negative(displaced(up) * displaced(m), turned / moved - m.v / displaced(m));
  return up;
}

pvi_trial pvi_rayleigh_trial(const pvi_dispersion_model *model, double omega, double c) {
  const int32_t last = model->n_layers - 1;
  const double k = omega / c;
  const double p_root = sqrt(square_root_of(c, model->vp[last]));
  const double s_root = sqrt(square_root_of(c, model->vs[last]));
  minors m = {-s_root, 0, 1, -p_root * s_root, -p_root};
  solid below = {0, 0, 0};
  int32_t slower = 0;
  for (int32_t i = last; i >= 0; i--) {
    const double rho = model->density[i], mu = rho * model->vs[i] * model->vs[i];
    const solid here = {mu, 2 * mu - rho * c * c, rho};
    if (i < last) {
      const contact at = contact_of(here, below, c);
      m = cross(m, &at);
      const double e_p = square_root_of(c, model->vp[i]);
      const double e_s = square_root_of(c, model->vs[i]), height = k * model->thickness[i];
      const double turn = e_s < 0 ? sqrt(-e_s) * height / pi : 0;
      const int32_t pieces = 1 + (int32_t)(1.001 * turn);
      const hyperbolic p = hyperbolic_of(e_p, height / pieces);
      const hyperbolic s = hyperbolic_of(e_s, height / pieces);
      for (int32_t j = 0; j < pieces; j++) {
        m = scaled(m, 1 / largest(m));
        m = rise(m, &p, &s, &slower);
      }
    }
    below = here;
  }
  m = scaled(m, 1 / largest(m));
  double secular = pulled(m, below) / (below.mu * below.mu), water = 1;
  if (model->water_thickness > 0) {
    const double e = square_root_of(c, model->water_velocity);
    const double height = k * model->water_thickness;
    const hyperbolic w = hyperbolic_of(e, height);
    const double ratio = c / model->vs[0];
    secular = w.cosh * secular -
              model->water_density / below.rho * ratio * ratio * ratio * ratio * w.sinh * m.v;
    water = w.cosh;
    /* Modes of the water above a bottom that does not move. */
    if (e < 0)
      slower += (int32_t)floor(sqrt(-e) * height / pi + 0.5);
  }
  slower += negative(-secular * displaced(m) * water, -m.v * displaced(m));
  const pvi_trial found = {secular, slower};
  return found;
}
