/* A tile is advanced two planes at a time, each in strips along y. */
#include "tile.h"
#include "denormals.h"
#include "strip.h"

/* The side of an axis' layer that acts on a cell, and where that ends. */
static int side_at(const struct slab slab[2], int32_t at, int32_t *end) {
  for (int side = 0; side < 2; side++) {
    const struct slab *s = &slab[side];
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
static void step_planes(const struct tile *t, const struct update *update, int32_t z,
                        int32_t n_z) {
  const struct geometry *g = update->g;
  struct strip strip = {.z = z, .n_z = n_z};
  for (int32_t i = 0; i < n_z; i++) {
    int32_t end = t->z1;
    strip.in_z[i] = side_at(g->slab[0], z + i, &end);
  }
  for (strip.y0 = t->y0; strip.y0 < t->y1; strip.y0 = strip.y1) {
    strip.y1 = t->y1;
    strip.in_y = side_at(g->slab[1], strip.y0, &strip.y1);
    strip_step(&strip, update);
  }
}

void tile_step(const struct tile *t, const struct update *update) {
  const unsigned mode = flush_denormals();
  for (int32_t z = t->z0; z < t->z1; z += PLANES)
    step_planes(t, update, z, t->z1 - z < PLANES ? t->z1 - z : PLANES);
  restore_denormals(mode);
}
