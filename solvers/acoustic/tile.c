#include "denormals.h"
#include "rows.h"

/* The side of an axis' layer that acts on a cell, and where that ends. */
static int side_at(const PVI(plan) *plan, int axis, int32_t at, int32_t *end) {
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &plan->g.slab[axis][side];
    if (!s->present)
      continue;
    if (at >= s->begin && at < s->end) {
      *end = *end < s->end ? *end : s->end;
      return side;
    }
    if (at < s->begin && *end > s->begin)
      *end = s->begin;
  }
  return -1;
}

/* All rows of one or two planes. */
static void planes(const PVI(plan) *plan, const PVI(tile) *t, const PVI(step) *step, int32_t z, int32_t n_z) {
  PVI(strip) strip = {.z = z, .n_z = n_z};
  for (int32_t i = 0; i < n_z; i++) {
    int32_t end = t->z1;
    strip.in_z[i] = side_at(plan, 0, z + i, &end);
  }
  for (strip.y0 = t->y0; strip.y0 < t->y1; strip.y0 = strip.y1) {
    strip.y1 = t->y1;
    strip.in_y = side_at(plan, 1, strip.y0, &strip.y1);
    PVI(rows)(plan, step, &strip);
  }
}

void PVI(march)(const PVI(plan) *plan, const PVI(tile) *t, const PVI(step) *step) {
  const unsigned mode = pvi_flush_denormals();
  for (int32_t z = t->z0; z < t->z1; z += PVI_PLANES)
    planes(plan, t, step, z, t->z1 - z < PVI_PLANES ? t->z1 - z : PVI_PLANES);
  pvi_restore_denormals(mode);
}
