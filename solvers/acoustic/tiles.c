#include "tiles.h"
#include "decompose.h"
#include <stdlib.h>

/* Bytes of the planes that a march along z keeps in the second-level cache. */
enum { CACHE_BYTES = 600 * 1024, PLANES = 12, FEWEST_ROWS = 8 };

static void ends_of(const PVI(plan) *plan, int axis, int32_t ends[2]) {
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &plan->g.slab[axis][side];
    ends[side] = s->present ? s->end - s->begin : 1;
  }
}

static int splits(const PVI(plan) *plan, int axis, int32_t parts, int32_t fewest) {
  int32_t ends[2], begin[parts + 1];
  ends_of(plan, axis, ends);
  if (plan->g.n[axis] / parts < fewest)
    return parts == 1;
  return pvi_split(plan->g.n[axis], parts, 1, ends, begin) == PVI_OK;
}

/* Enough tiles along y for the cache, a multiple of the threads if the grid allows. */
static void choose(const PVI(plan) *plan, int32_t parts[2]) {
  const int64_t row = PLANES * (int64_t)sizeof(real) * plan->g.sy;
  const int32_t rows = (int32_t)(CACHE_BYTES / row) > 0 ? (int32_t)(CACHE_BYTES / row) : 1;
  const int32_t cached = (plan->g.n[1] + rows - 1) / rows, threads = plan->config.n_threads;
  parts[0] = 1;
  parts[1] = (cached + threads - 1) / threads * threads;
  while (parts[1] > 1 && !splits(plan, 1, parts[1], FEWEST_ROWS))
    parts[1]--;
  if (parts[1] < threads) {
    parts[0] = (threads + parts[1] - 1) / parts[1];
    while (parts[0] > 1 && !splits(plan, 0, parts[0], FEWEST_ROWS))
      parts[0]--;
  }
}

pvi_status PVI(make_tiles)(PVI(plan) *plan) {
  int32_t parts[2], ends[2];
  choose(plan, parts);
  int32_t z[parts[0] + 1], y[parts[1] + 1];
  ends_of(plan, 0, ends);
  pvi_split(plan->g.n[0], parts[0], 1, ends, z);
  ends_of(plan, 1, ends);
  pvi_split(plan->g.n[1], parts[1], 1, ends, y);

  plan->n_tiles = parts[0] * parts[1];
  plan->tile = calloc((size_t)plan->n_tiles, sizeof *plan->tile);
  if (!plan->tile)
    return PVI_NO_MEMORY;
  for (int32_t i = 0; i < plan->n_tiles; i++) {
    const int32_t iz = i / parts[1], iy = i % parts[1];
    plan->tile[i] = (PVI(tile)){.z0 = z[iz], .z1 = z[iz + 1], .y0 = y[iy], .y1 = y[iy + 1]};
  }
  return PVI_OK;
}
