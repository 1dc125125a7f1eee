#include "tiles.h"
#include "decompose.h"
#include <stdlib.h>

/* Bytes of the planes that a march along z keeps in the second-level cache. */
enum { CACHE_BYTES = 450 * 1024, PLANES = 12, FEWEST_ROWS = 8 };

static void ends_of(const PVI(plan) *plan, int axis, int32_t ends[2]) {
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &plan->g.slab[axis][side];
    ends[side] = s->present ? s->end - s->begin : 1;
  }
}

/* What is left of an axis without the cells that neighbours wait for; 0 if that would cut the
 * layer, or nothing is left. */
static int core_of(const PVI(plan) *plan, int axis, int32_t core[2]) {
  const PVI(slab) *s = plan->g.slab[axis];
  const int32_t n = plan->g.n[axis];
  core[0] = plan->neighbour[axis][0] == MPI_PROC_NULL ? 0 : PVI_HALO;
  core[1] = plan->neighbour[axis][1] == MPI_PROC_NULL ? n : n - PVI_HALO;
  if (s[0].present && s[0].end > core[1])
    return 0;
  if (s[1].present && s[1].begin < core[0])
    return 0;
  return core[1] > core[0];
}

static int splits(const PVI(plan) *plan, int axis, int32_t n, int32_t parts, int32_t fewest) {
  int32_t ends[2], begin[parts + 1];
  ends_of(plan, axis, ends);
  if (n / parts < fewest)
    return parts == 1;
  return pvi_split(n, parts, 1, ends, begin) == PVI_OK;
}

/* Enough tiles along y for the cache, a multiple of the threads if the grid allows. */
static void choose(const PVI(plan) *plan, const int32_t n[2], int32_t parts[2]) {
  const int64_t row = PLANES * (int64_t)sizeof(real) * plan->g.sy;
  const int32_t rows = (int32_t)(CACHE_BYTES / row) > 0 ? (int32_t)(CACHE_BYTES / row) : 1;
  const int32_t cached = (n[1] + rows - 1) / rows, threads = plan->config.n_threads;
  parts[0] = 1;
  parts[1] = (cached + threads - 1) / threads * threads;
  while (parts[1] > 1 && !splits(plan, 1, n[1], parts[1], FEWEST_ROWS))
    parts[1]--;
  if (parts[1] < threads) {
    parts[0] = (threads + parts[1] - 1) / parts[1];
    while (parts[0] > 1 && !splits(plan, 0, n[0], parts[0], FEWEST_ROWS))
      parts[0]--;
  }
}

/* The cells around the core, in up to four tiles; returns their number. */
static int32_t frame(const PVI(plan) *plan, const int32_t z[2], const int32_t y[2],
                     PVI(tile) tile[4]) {
  const int32_t nz = plan->g.n[0], ny = plan->g.n[1];
  const PVI(tile) all[4] = {
      {0, z[0], 0, ny}, {z[1], nz, 0, ny}, {z[0], z[1], 0, y[0]}, {z[0], z[1], y[1], ny}};
  int32_t n = 0;
  for (int i = 0; i < 4; i++) {
    if (all[i].z1 > all[i].z0 && all[i].y1 > all[i].y0)
      tile[n++] = all[i];
  }
  return n;
}

pvi_status PVI(make_tiles)(PVI(plan) *plan) {
  int32_t core_z[2], core_y[2], parts[2], ends[2];
  int core = plan->neighbour[2][0] == MPI_PROC_NULL && plan->neighbour[2][1] == MPI_PROC_NULL;
  core = core_of(plan, 0, core_z) && core_of(plan, 1, core_y) && core;
  if (!core) { /* all cells wait for nothing, and are waited for */
    core_z[0] = core_y[0] = 0;
    core_z[1] = plan->g.n[0], core_y[1] = plan->g.n[1];
  }
  const int32_t n[2] = {core_z[1] - core_z[0], core_y[1] - core_y[0]};
  choose(plan, n, parts);
  int32_t z[parts[0] + 1], y[parts[1] + 1];
  ends_of(plan, 0, ends);
  pvi_split(n[0], parts[0], 1, ends, z);
  ends_of(plan, 1, ends);
  pvi_split(n[1], parts[1], 1, ends, y);

  plan->tile = calloc((size_t)(parts[0] * parts[1] + 4), sizeof *plan->tile);
  if (!plan->tile)
    return PVI_NO_MEMORY;
  plan->n_first = frame(plan, core_z, core_y, plan->tile);
  plan->n_tiles = plan->n_first;
  for (int32_t i = 0; i < parts[0] * parts[1]; i++) {
    const int32_t iz = i / parts[1], iy = i % parts[1];
    plan->tile[plan->n_tiles++] = (PVI(tile)){core_z[0] + z[iz], core_z[0] + z[iz + 1],
                                         core_y[0] + y[iy], core_y[0] + y[iy + 1]};
  }
  if (!core)
    plan->n_first = plan->n_tiles;
  return PVI_OK;
}
