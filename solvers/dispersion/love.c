/* Secular function of Love waves, and the number of modes below a velocity. */
#include <math.h>
typedef double number;
#include "layer.h"
#include "stack.h"

static const double pi = 3.14159265358979323846;

pvi_trial pvi_love_trial(const pvi_dispersion_model *model, double omega, double c) {
  const int32_t last = model->n_layers - 1;
  const double k = omega / c, end = c / model->vs[last];
  /* Displacement, and traction over k; a solution that decays downwards. */
  double v = 1,
         tau = -model->density[last] * model->vs[last] * model->vs[last] * sqrt(1 - end * end);
  double mu = -tau;
  int32_t slower = 0;
  for (int32_t i = last - 1; i >= 0; i--) {
    mu = model->density[i] * model->vs[i] * model->vs[i];
    const double ratio = c / model->vs[i], e = 1 - ratio * ratio;
    const double height = k * model->thickness[i];
    /* Cut so that a piece has no mode with both faces clamped: it turns by less than pi. */
    const double turn = e < 0 ? sqrt(-e) * height / pi : 0;
    const int32_t pieces = 1 + (int32_t)(1.001 * turn);
    const hyperbolic h = hyperbolic_of(e, height / pieces);
    for (int32_t j = 0; j < pieces; j++) {
      const double up = h.cosh * v - h.sinh * tau / mu;
      tau = h.cosh * tau - mu * e * h.sinh * v;
      slower += up * v < 0;
      const double size = 1 / fmax(fabs(up), fabs(tau) / mu);
      v = up * size;
      tau *= size;
    }
  }
  const pvi_trial found = {tau / mu, slower + (-tau * v < 0)};
  return found;
}
