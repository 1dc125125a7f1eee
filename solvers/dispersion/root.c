/* The phase velocity of one mode: bisection by the number of slower modes, then Brent's method.
 */
#include "stack.h"
#include <math.h>

/* Nearest to vs of the half-space that a mode is looked for. */
static const double nearest = 1e-9;
/* Closest bounds of a root, relative to it. */
static const double closest = 1e-14;
enum { LOWEST = 60, STEPS = 200 };

static pvi_trial trial_of(const pvi_dispersion_model *m, int32_t wave, double omega, double c) {
  return wave == PVI_DISPERSION_LOVE ? pvi_love_trial(m, omega, c)
                                     : pvi_rayleigh_trial(m, omega, c);
}

/* Brent (1973): the root between a and b, where the secular function has other signs. */
static double brent(const pvi_dispersion_model *m, int32_t wave, double omega, double a,
                    double b, double fa, double fb) {
  double c = a, fc = fa, d = b - a, e = d;
  for (int32_t i = 0; i < STEPS && fb != 0; i++) {
    if (fb * fc > 0) {
      c = a;
      fc = fa;
      d = e = b - a;
    }
    if (fabs(fc) < fabs(fb)) {
      a = b;
      b = c;
      c = a;
      fa = fb;
      fb = fc;
      fc = fa;
    }
    const double tolerance = closest * fabs(b), half = 0.5 * (c - b);
    if (fabs(half) <= tolerance)
      break;
    if (fabs(e) >= tolerance && fabs(fa) > fabs(fb)) {
      const double s = fb / fa;
      double p = 2 * half * s, q = 1 - s;
      if (a != c) {
        const double r = fb / fc, u = fa / fc;
        p = s * (2 * half * u * (u - r) - (b - a) * (r - 1));
        q = (u - 1) * (r - 1) * (s - 1);
      }
      q = p > 0 ? -q : q;
      p = fabs(p);
      const int good = 2 * p < fmin(3 * half * q - fabs(tolerance * q), fabs(e * q));
      e = good ? d : half;
      d = good ? p / q : half;
    } else {
      d = e = half;
    }
    a = b;
    fa = fb;
    b += fabs(d) > tolerance ? d : copysign(tolerance, half);
    fb = trial_of(m, wave, omega, b).secular;
  }
  return b;
}

/* A velocity that no mode is slower than; 0: none was found. */
static double lowest(const pvi_dispersion_model *m, int32_t wave, double omega) {
  double low = m->vs[0];
  for (int32_t i = 1; i < m->n_layers; i++)
    low = fmin(low, m->vs[i]);
  if (wave == PVI_DISPERSION_LOVE)
    return low * (1 - nearest);
  if (m->water_thickness > 0)
    low = fmin(low, m->water_velocity);
  for (int32_t i = 0; i < LOWEST; i++) {
    low *= 0.8;
    if (trial_of(m, wave, omega, low).slower == 0)
      return low;
  }
  return 0;
}

pvi_dispersion_status pvi_dispersion_root(const pvi_dispersion_model *m, int32_t wave,
                                          int32_t mode, double omega, double *velocity,
                                          int32_t *exists) {
  double high = m->vs[m->n_layers - 1] * (1 - nearest);
  double low = fmin(lowest(m, wave, omega), high);
  if (low <= 0)
    return PVI_DISPERSION_LOST;
  pvi_trial above = trial_of(m, wave, omega, high), below = trial_of(m, wave, omega, low);
  *exists = above.slower > mode && below.slower <= mode;
  *velocity = m->vs[m->n_layers - 1];
  if (!*exists)
    return PVI_DISPERSION_OK;
  /* Until this mode alone lies between the bounds. */
  while (below.slower < mode || above.slower > mode + 1 ||
         !(below.secular * above.secular <= 0)) {
    const double middle = 0.5 * (low + high);
    if (high - low <= closest * high) {
      *velocity = middle;
      return PVI_DISPERSION_OK;
    }
    const pvi_trial at = trial_of(m, wave, omega, middle);
    if (at.slower > mode) {
      high = middle;
      above = at;
    } else {
      low = middle;
      below = at;
    }
  }
  *velocity = brent(m, wave, omega, low, high, below.secular, above.secular);
  return isfinite(*velocity) ? PVI_DISPERSION_OK : PVI_DISPERSION_LOST;
}
