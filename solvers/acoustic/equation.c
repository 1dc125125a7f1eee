/* Weights and damping for the life of a plan; the model comes and goes (model.c). */
#include "equation.h"
#include "arrays.h"
#include "cpml.h"
#include "decompose.h"
#include <stdlib.h>

/* Zero along an axis of which there is no derivative. */
static void weigh(const pvi_config *config, struct equation *e) {
  for (int axis = 0; axis < 3; axis++) {
    const double h = config->spacing[axis];
    if (is_flat(config, axis))
      continue;
    e->inv_h2[axis] = (real)(1 / (h * h));
    for (int k = 0; k <= HALO; k++)
      e->d2[axis][k] = (real)(stencil_weights[k] / (h * h));
  }
}

static pvi_status damp(const pvi_config *config, const struct geometry *g, int axis, int side,
                       struct damping *d) {
  const struct slab *s = &g->slab[axis][side];
  real **array[4] = {&d->a, &d->b, &d->a_half, &d->b_half};
  const int32_t n = config->n_pml + 1; /* cells acted on */
  if (!s->present)
    return PVI_OK;
  for (int i = 0; i < 4; i++) {
    *array[i] = zeros(s->end - s->begin + LANES, 1);
    if (!*array[i])
      return PVI_NO_MEMORY;
  }
  const int32_t first = (side ? g->n[axis] - n : 0) - s->begin;
  const double h = config->spacing[axis];
  for (int32_t i = first; i < first + n; i++) {
    const double cell = g->offset[axis] + s->begin + i;
    double a, b;
    cpml_coefficients(config, axis, cell, &a, &b);
    d->a[i] = (real)a, d->b[i] = (real)b;
    cpml_coefficients(config, axis, cell + 0.5, &a, &b);
    d->a_half[i] = (real)(a / (h * h)), d->b_half[i] = (real)b;
  }
  return PVI_OK;
}

pvi_status equation_create(const pvi_config *config, const struct geometry *g,
                           struct equation *e) {
  pvi_status status = PVI_OK;
  weigh(config, e);
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2 && status == PVI_OK; side++)
      status = damp(config, g, axis, side, &e->damping[axis][side]);
  }
  if (status != PVI_OK)
    return status;
  e->v = zeros(g->size, config->n_threads);
  return e->v ? PVI_OK : PVI_NO_MEMORY;
}

void equation_destroy(struct equation *e) {
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2; side++) {
      struct damping *d = &e->damping[axis][side];
      free(d->a), free(d->b), free(d->a_half), free(d->b_half);
    }
  }
  free(e->v);
}
