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

void PVI(march)(const PVI(plan) *plan, const PVI(tile) *t, const PVI(step) *step,
                PVI(row_kernel) *kernel) {
  const unsigned mode = pvi_flush_denormals();
  for (int32_t z = t->z0; z < t->z1; z++) {
    int32_t end_z = t->z1;
    const int in_z = side_at(plan, 0, z, &end_z);
    for (int32_t y0 = t->y0; y0 < t->y1;) {
      int32_t y1 = t->y1;
      const int in_y = side_at(plan, 1, y0, &y1);
      const PVI(strip) strip = {z, y0, y1, in_z, in_y};
      kernel(plan, step, &strip);
      y0 = y1;
    }
  }
  pvi_restore_denormals(mode);
}
