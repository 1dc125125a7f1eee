/* Tiles of about TILE_CELLS cells: 16 kB of each coefficient in single precision. */
#include "tiles.h"

enum { TILE_CELLS = 4096 };

static int32_t at_least_one(int32_t n) { return n > 1 ? n : 1; }

static int32_t rows_of_tile(const pvi_stencil *n) {
  const int32_t rows = at_least_one(TILE_CELLS / n->shape[2]);
  return rows < n->shape[1] ? rows : n->shape[1];
}

static int32_t parts_of_row(const pvi_stencil *n) {
  return at_least_one(n->shape[2] / TILE_CELLS);
}

pvi_variational_status check_stencil(const pvi_stencil *n) {
  if (!n || (n->n_offsets > 0 && !n->offsets))
    return PVI_VARIATIONAL_BAD_POINTER;
  for (int axis = 0; axis < 3; axis++)
    if (n->shape[axis] < 1)
      return PVI_VARIATIONAL_BAD_SHAPE;
  if (n->n_offsets < 0 || n->n_samples < 1 || n->n_threads < 1)
    return PVI_VARIATIONAL_BAD_SHAPE;
  const int32_t *before = (const int32_t[3]){0, 0, 0};
  for (int32_t k = 0; k < n->n_offsets; k++) {
    const int32_t *now = n->offsets + 3 * k;
    int axis = 0;
    while (axis < 2 && now[axis] == before[axis])
      axis++;
    if (now[axis] <= before[axis])
      return PVI_VARIATIONAL_BAD_SHAPE;
    before = now;
  }
  return PVI_VARIATIONAL_OK;
}

int64_t count_tiles(const pvi_stencil *n) {
  const int32_t rows = rows_of_tile(n);
  const int64_t blocks = (n->shape[1] + rows - 1) / rows;
  return blocks * n->shape[0] * parts_of_row(n);
}

struct tile tile_at(const pvi_stencil *n, int64_t i) {
  const int32_t ny = n->shape[1], nx = n->shape[2];
  const int32_t rows = rows_of_tile(n), parts = parts_of_row(n);
  const int32_t blocks = (ny + rows - 1) / rows;
  const int64_t part = i % parts, block = i / parts % blocks;
  struct tile tile = {.z = (int32_t)(i / parts / blocks), .y0 = (int32_t)block * rows};
  tile.y1 = tile.y0 + rows < ny ? tile.y0 + rows : ny;
  tile.x0 = (int32_t)(part * nx / parts);
  tile.x1 = (int32_t)((part + 1) * nx / parts);
  return tile;
}

int clip_tile(const pvi_stencil *n, const int32_t shift[3], struct tile *tile) {
  const int32_t z = tile->z + shift[0];
  if (z < 0 || z >= n->shape[0])
    return 0;
  if (tile->y0 < -shift[1])
    tile->y0 = -shift[1];
  if (tile->y1 > n->shape[1] - shift[1])
    tile->y1 = n->shape[1] - shift[1];
  if (tile->x0 < -shift[2])
    tile->x0 = -shift[2];
  if (tile->x1 > n->shape[2] - shift[2])
    tile->x1 = n->shape[2] - shift[2];
  return tile->y0 < tile->y1 && tile->x0 < tile->x1;
}
