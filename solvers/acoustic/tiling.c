/* Tiles along y, of all planes: few enough rows for the cache, cut along z only for threads. */
#include "tiling.h"
#include "decompose.h"
#include <stdlib.h>

/* Bytes of the planes of a tile that stay in the second-level cache as it advances along z. */
enum { CACHE_BYTES = 450 * 1024, CACHED_PLANES = 12, FEWEST_ROWS = 8 };

static void ends_of(const struct block *block, int axis, int32_t ends[2]) {
  for (int side = 0; side < 2; side++) {
    const struct slab *s = &block->g.slab[axis][side];
    ends[side] = s->present ? s->end - s->begin : 1;
  }
}

/* What is left of an axis without the cells that neighbours wait for; 0 if that would cut the
 * layer, or nothing is left. */
static int core_of(const struct block *block, int axis, int32_t core[2]) {
  const struct slab *s = block->g.slab[axis];
  const int32_t n = block->g.n[axis];
  core[0] = block->neighbour[axis][0] == MPI_PROC_NULL ? 0 : HALO;
  core[1] = block->neighbour[axis][1] == MPI_PROC_NULL ? n : n - HALO;
  if (s[0].present && s[0].end > core[1])
    return 0;
  if (s[1].present && s[1].begin < core[0])
    return 0;
  return core[1] > core[0];
}

static int splits(const struct block *block, int axis, int32_t n, int32_t parts,
                  int32_t fewest) {
  int32_t ends[2], begin[parts + 1];
  ends_of(block, axis, ends);
  if (n / parts < fewest)
    return parts == 1;
  return split_axis(n, parts, 1, ends, begin) == PVI_OK;
}

/* Enough tiles along y for the cache, a multiple of the threads if the grid allows. */
static void choose(const struct block *block, const int32_t n[2], int32_t parts[2]) {
  const int64_t row = CACHED_PLANES * (int64_t)sizeof(real) * block->g.sy;
  const int32_t rows = (int32_t)(CACHE_BYTES / row) > 0 ? (int32_t)(CACHE_BYTES / row) : 1;
  const int32_t cached = (n[1] + rows - 1) / rows, threads = block->config.n_threads;
  parts[0] = 1;
  parts[1] = (cached + threads - 1) / threads * threads;
  while (parts[1] > 1 && !splits(block, 1, n[1], parts[1], FEWEST_ROWS))
    parts[1]--;
  if (parts[1] < threads) {
    parts[0] = (threads + parts[1] - 1) / parts[1];
    while (parts[0] > 1 && !splits(block, 0, n[0], parts[0], FEWEST_ROWS))
      parts[0]--;
  }
}

/* The cells around the core, in up to four tiles; returns their number. */
static int32_t frame(const struct block *block, const int32_t z[2], const int32_t y[2],
                     struct tile tile[4]) {
  const int32_t nz = block->g.n[0], ny = block->g.n[1];
  const struct tile all[4] = {
      {0, z[0], 0, ny}, {z[1], nz, 0, ny}, {z[0], z[1], 0, y[0]}, {z[0], z[1], y[1], ny}};
  int32_t n = 0;
  for (int i = 0; i < 4; i++) {
    if (all[i].z1 > all[i].z0 && all[i].y1 > all[i].y0)
      tile[n++] = all[i];
  }
  return n;
}

/* Add the tiles of the core to those of its frame. */
static void fill(const struct block *block, const int32_t z[2], const int32_t y[2],
                 const int32_t parts[2], struct tiling *tiling) {
  int32_t ends[2], begin_z[parts[0] + 1], begin_y[parts[1] + 1];
  ends_of(block, 0, ends);
  split_axis(z[1] - z[0], parts[0], 1, ends, begin_z);
  ends_of(block, 1, ends);
  split_axis(y[1] - y[0], parts[1], 1, ends, begin_y);
  for (int32_t i = 0; i < parts[0] * parts[1]; i++) {
    const int32_t iz = i / parts[1], iy = i % parts[1];
    tiling->tile[tiling->n++] = (struct tile){
        .z0 = z[0] + begin_z[iz],
        .z1 = z[0] + begin_z[iz + 1],
        .y0 = y[0] + begin_y[iy],
        .y1 = y[0] + begin_y[iy + 1],
    };
  }
}

pvi_status tiling_create(const struct block *block, struct tiling *tiling) {
  int32_t z[2], y[2], parts[2];
  const int *beside = block->neighbour[2];
  int core = beside[0] == MPI_PROC_NULL && beside[1] == MPI_PROC_NULL;
  core = core_of(block, 0, z) && core_of(block, 1, y) && core;
  if (!core) { /* all cells wait for nothing, and are waited for */
    z[0] = y[0] = 0;
    z[1] = block->g.n[0], y[1] = block->g.n[1];
  }
  choose(block, (const int32_t[2]){z[1] - z[0], y[1] - y[0]}, parts);
  tiling->tile = calloc((size_t)(parts[0] * parts[1] + 4), sizeof *tiling->tile);
  if (!tiling->tile)
    return PVI_NO_MEMORY;
  tiling->n_first = tiling->n = frame(block, z, y, tiling->tile);
  fill(block, z, y, parts, tiling);
  if (!core)
    tiling->n_first = tiling->n;
  return PVI_OK;
}

void tiling_destroy(struct tiling *tiling) { free(tiling->tile); }
