/* Cuts the grid into tiles whose fields stay in cache while the coefficients stream past.
 *
 * A tile is some whole rows of one plane, or a part of one long row. The cut depends on the
 * shape alone, never on threads, so sums by tile do not either.
 */
#pragma once
#include "variational_types.h"
#include <stddef.h>

struct tile {
  int32_t z, y0, y1, x0, x1;
};

/* Is the stencil well formed? */
pvi_variational_status check_stencil(const pvi_stencil *stencil);

int64_t count_tiles(const pvi_stencil *stencil);

/* Tile i; tiles are numbered in the order of the flattened grid. */
struct tile tile_at(const pvi_stencil *stencil, int64_t i);

/* Cells of the tile whose neighbour at (dz, dy, dx) is on the grid; 0 if there is none. */
int clip_tile(const pvi_stencil *stencil, const int32_t shift[3], struct tile *tile);

/* Flat distance to the neighbour at a shift. */
static inline ptrdiff_t flat_distance(const pvi_stencil *stencil, const int32_t shift[3]) {
  const ptrdiff_t ny = stencil->shape[1], nx = stencil->shape[2];
  return (shift[0] * ny + shift[1]) * nx + shift[2];
}

static inline ptrdiff_t count_cells(const pvi_stencil *stencil) {
  return (ptrdiff_t)stencil->shape[0] * stencil->shape[1] * stencil->shape[2];
}
