/* Products with the matrix of couplings, tile by tile. */
#include "couple_tile.h"
#include "team.h"
#include "variational.h"
#include <string.h>

static void clear(const pvi_stencil *n, struct tile t, real *out) {
  const ptrdiff_t nx = n->shape[2], cells = count_cells(n);
  for (int32_t s = 0; s < n->n_samples; s++)
    for (int32_t y = t.y0; y < t.y1; y++) {
      const ptrdiff_t start = ((ptrdiff_t)t.z * n->shape[1] + y) * nx + t.x0;
      memset(out + s * cells + start, 0, sizeof(real) * (size_t)(t.x1 - t.x0));
    }
}

pvi_variational_status pvi_couple(const pvi_stencil *n, int32_t transposed,
                                  const real *coefficients, const real *values, real *out) {
  const pvi_variational_status status = check_stencil(n);
  if (status != PVI_VARIATIONAL_OK)
    return status;
  if ((!coefficients && n->n_offsets > 0) || !values || !out)
    return PVI_VARIATIONAL_BAD_POINTER;
  const struct couplings all = {n, coefficients, transposed, 0, n->n_offsets};
  const int64_t tiles = count_tiles(n);
#pragma omp parallel for schedule(static) num_threads(team_size(n->n_threads, tiles))
  for (int64_t i = 0; i < tiles; i++) {
    const struct tile tile = tile_at(n, i);
    clear(n, tile, out);
    couple_tile(&all, tile, values, out);
  }
  return PVI_VARIATIONAL_OK;
}
