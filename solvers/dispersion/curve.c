/* Points of dispersion curves and their derivatives, by implicit differentiation. */
#include "stack.h"
#include <complex.h>
#include <math.h>
#include <stdlib.h>

/* Relative size of the imaginary parts that carry derivatives. */
static const double tiny = 1e-60;

static void slope_of(const pvi_dispersion_model *m, int32_t wave, pvi_slope *slope) {
  if (wave == PVI_DISPERSION_LOVE)
    pvi_love_slope(m, slope);
  else
    pvi_rayleigh_slope(m, slope);
}

/* Group velocity and, unless slopes is NULL, the derivatives of both velocities.
 *
 * On the curve F(omega, c, m) = 0, c' = -F_omega / F_c and dc/dm = -F_m / F_c. The second pass
 * has imaginary parts along the curve, so that those of dc/dm are dc'/dm.
 */
static int differentiate(const pvi_dispersion_model *m, int32_t wave, double omega, double c,
                         pvi_slope *slope, double *group, double *slopes) {
  slope->omega = omega;
  slope->c = c;
  slope_of(m, wave, slope);
  const double by_omega = -creal(slope->by_omega) / creal(slope->by_c);
  const double divisor = c - omega * by_omega;
  *group = c * c / divisor;
  if (!isfinite(*group))
    return 0;
  if (!slopes)
    return 1;
  const double step = tiny * omega;
  slope->omega = omega + step * (double _Complex)I;
  slope->c = c + by_omega * step * (double _Complex)I;
  slope_of(m, wave, slope);
  const int32_t n = 3 * m->n_layers;
  int finite = 1;
  for (int32_t i = 0; i < n; i++) {
    const double _Complex by = -slope->by_layer[i] / slope->by_c;
    const double by_m = creal(by), bent = cimag(by) / step;
    slopes[i] = by_m;
    slopes[n + i] = (2 * c * by_m - *group * (by_m - omega * bent)) / divisor;
    finite = finite && isfinite(slopes[i]) && isfinite(slopes[n + i]);
  }
  return finite;
}

/* A mode that is not guided: both velocities are vs of the half-space. */
static void cut_off(const pvi_dispersion_model *m, double *slopes) {
  const int32_t n = m->n_layers;
  for (int32_t i = 0; i < 6 * n; i++)
    slopes[i] = 0;
  slopes[2 * n - 1] = slopes[5 * n - 1] = 1;
}

static pvi_dispersion_status point(const pvi_dispersion_model *m, int32_t wave, int32_t mode,
                                   double period, pvi_slope *slope, double *phase,
                                   double *group, int32_t *exists, double *slopes) {
  const double omega = 2 * 3.14159265358979323846 / period;
  const pvi_dispersion_status status = pvi_dispersion_root(m, wave, mode, omega, phase, exists);
  if (status != PVI_DISPERSION_OK)
    return status;
  if (*exists)
    return differentiate(m, wave, omega, *phase, slope, group, slopes) ? PVI_DISPERSION_OK
                                                                       : PVI_DISPERSION_LOST;
  *group = *phase;
  if (slopes)
    cut_off(m, slopes);
  return PVI_DISPERSION_OK;
}

static pvi_dispersion_status check_model(const pvi_dispersion_model *m) {
  if (!m || !m->thickness || !m->vp || !m->vs || !m->density)
    return PVI_DISPERSION_BAD_POINTER;
  if (m->n_layers < 1)
    return PVI_DISPERSION_BAD_SHAPE;
  for (int32_t i = 0; i < m->n_layers; i++) {
    const double vp = m->vp[i], vs = m->vs[i];
    const int whole = isfinite(vp) && vs > 0 && 3 * vp * vp > 4 * vs * vs &&
                      m->density[i] > 0 && isfinite(m->density[i]);
    if (!whole || !(i == m->n_layers - 1 || m->thickness[i] > 0))
      return PVI_DISPERSION_BAD_MODEL;
  }
  const int water = m->water_thickness > 0 && m->water_velocity > 0 && m->water_density > 0;
  return water || m->water_thickness == 0 ? PVI_DISPERSION_OK : PVI_DISPERSION_BAD_MODEL;
}

pvi_dispersion_status pvi_dispersion_curve(const pvi_dispersion_model *model,
                                           const pvi_dispersion_points *points, double *phase,
                                           double *group, int32_t *exists, double *slopes) {
  pvi_dispersion_status found = check_model(model);
  if (found != PVI_DISPERSION_OK)
    return found;
  if (!points || !points->wave || !points->mode || !points->period || !phase || !group ||
      !exists)
    return PVI_DISPERSION_BAD_POINTER;
  for (int32_t i = 0; i < points->n_points; i++)
    if (points->mode[i] < 0 || !(points->period[i] > 0))
      return PVI_DISPERSION_BAD_SHAPE;
  if (points->n_threads < 1)
    return PVI_DISPERSION_BAD_SHAPE;
  const size_t n = (size_t)model->n_layers;
#pragma omp parallel num_threads(points->n_threads)
  {
    double _Complex *room = malloc((3 + PVI_DISPERSION_WORK) * n * sizeof *room);
#pragma omp for schedule(dynamic)
    for (int32_t i = 0; i < points->n_points; i++) {
      pvi_slope slope = {.by_layer = room, .work = room ? room + 3 * n : NULL};
      const pvi_dispersion_status status =
          room ? point(model, points->wave[i], points->mode[i], points->period[i], &slope,
                       phase + i, group + i, exists + i,
                       slopes ? slopes + (size_t)i * 6 * n : NULL)
               : PVI_DISPERSION_NO_MEMORY;
      if (status != PVI_DISPERSION_OK) {
#pragma omp critical
        found = status;
      }
    }
    free(room);
  }
  return found;
}

int32_t pvi_dispersion_count(const pvi_dispersion_model *model, int32_t wave, double period,
                             double velocity) {
  if (check_model(model) != PVI_DISPERSION_OK || !(period > 0))
    return -1;
  if (!(velocity > 0 && velocity < model->vs[model->n_layers - 1]))
    return -1;
  const double omega = 2 * 3.14159265358979323846 / period;
  return (wave == PVI_DISPERSION_LOVE ? pvi_love_trial(model, omega, velocity)
                                      : pvi_rayleigh_trial(model, omega, velocity))
      .slower;
}
