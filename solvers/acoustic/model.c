/* The model in, the gradient out: padding by the nearest cell, and its transpose. */
#include "model.h"
#include "decompose.h"
#include <math.h>
#include <string.h>

/* Lines, Slawinski & Bording (1999): c dt sqrt(sum of |weights|) <= 2. */
static pvi_status check(const pvi_config *c, const real *velocity) {
  const ptrdiff_t n = (ptrdiff_t)c->shape[0] * c->shape[1] * c->shape[2];
  double fastest = 0, inverse = 0;
  for (ptrdiff_t i = 0; i < n; i++) {
    if (!(velocity[i] > 0) || !isfinite(velocity[i]))
      return PVI_BAD_VALUE;
    if (velocity[i] > fastest)
      fastest = velocity[i];
  }
  for (int axis = 0; axis < 3; axis++)
    inverse += is_flat(c, axis) ? 0 : 1 / (c->spacing[axis] * c->spacing[axis]);
  double sum = fabs(stencil_weights[0]);
  for (int k = 1; k <= HALO; k++)
    sum += 2 * fabs(stencil_weights[k]);
  return fastest * c->dt * sqrt(sum * inverse) > 2 ? PVI_UNSTABLE : PVI_OK;
}

pvi_status pvi_set_model(pvi_plan *plan, const real *velocity) {
  if (!plan)
    return PVI_BAD_POINTER;
  const struct geometry *g = &plan->block.g;
  const int32_t *shape = plan->block.config.shape;
  const pvi_status mine = velocity ? check(&plan->block.config, velocity) : PVI_BAD_POINTER;
  const pvi_status status = agree(&plan->block, mine);
  if (status != PVI_OK)
    return status;

  plan->stored = 0;
  for (int32_t z = 0; z < g->n[0]; z++) {
    for (int32_t y = 0; y < g->n[1]; y++) {
      const ptrdiff_t from_z = nearest_cell(g, shape, 0, z);
      const ptrdiff_t from_y = nearest_cell(g, shape, 1, y);
      const real *from = velocity + (from_z * shape[1] + from_y) * shape[2];
      real *to = plan->equation.v + in_field(g, z, y);
      for (int32_t x = 0; x < g->n[2]; x++) {
        const double step = (double)from[nearest_cell(g, shape, 2, x)] * plan->block.config.dt;
        to[x] = (real)(step * step);
      }
    }
  }
  return PVI_OK;
}

/* dV/dc / V = 2 / c, and c = sqrt(V) / dt. */
void fold_gradient(const pvi_plan *plan, int32_t weight, double *gradient) {
  const struct geometry *g = &plan->block.g;
  const int32_t *shape = plan->block.config.shape;
  const ptrdiff_t n = (ptrdiff_t)shape[0] * shape[1] * shape[2];
  memset(gradient, 0, (size_t)n * sizeof *gradient);
  for (int32_t z = 0; z < g->n[0]; z++) {
    for (int32_t y = 0; y < g->n[1]; y++) {
      const ptrdiff_t to_z = nearest_cell(g, shape, 0, z);
      const ptrdiff_t to_y = nearest_cell(g, shape, 1, y);
      double *to = gradient + (to_z * shape[1] + to_y) * shape[2];
      const real *from = plan->gradient + in_cells(g, z, y);
      const real *v = plan->equation.v + in_field(g, z, y);
      for (int32_t x = 0; x < g->n[2]; x++) {
        const double scale = 2 * weight * plan->block.config.dt / sqrt((double)v[x]);
        to[nearest_cell(g, shape, 2, x)] += scale * (double)from[x];
      }
    }
  }
}

void linearise(pvi_plan *plan, const real *direction) {
  const struct geometry *g = &plan->block.g;
  const int32_t *shape = plan->block.config.shape;
  const double dt = plan->block.config.dt;
  for (int32_t z = 0; z < g->n[0]; z++) {
    for (int32_t y = 0; y < g->n[1]; y++) {
      const ptrdiff_t from_z = nearest_cell(g, shape, 0, z);
      const ptrdiff_t from_y = nearest_cell(g, shape, 1, y);
      const real *from = direction + (from_z * shape[1] + from_y) * shape[2];
      const real *v = plan->equation.v + in_field(g, z, y);
      real *dv = plan->gradient + in_cells(g, z, y);
      for (int32_t x = 0; x < g->n[2]; x++) {
        const double slope = 2 * dt * sqrt((double)v[x]);
        dv[x] = (real)(slope * (double)from[nearest_cell(g, shape, 2, x)]);
      }
    }
  }
}
