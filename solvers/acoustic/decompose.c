/* All cuts into a number of blocks are tried; the one of least surface wins. */
#include "decompose.h"
#include "acoustic.h"
#include <math.h>

enum { VECTOR = 16 };

static int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

/* A layer changes a cell beyond itself, and needs zeros around that: a block that owns those
 * shares no memory of it. */
void end_cells(const pvi_config *config, int axis, int32_t ends[2]) {
  const int mirrored = axis == 0 && config->free_surface;
  if (is_flat(config, axis)) {
    ends[0] = ends[1] = 1;
    return;
  }
  const int32_t reach = config->order / 2, acted_on = config->n_pml + (config->n_pml > 0);
  ends[0] = mirrored ? reach + 1 : larger(acted_on, reach);
  ends[1] = larger(acted_on, reach);
  if (axis == 2 && config->n_pml > 0) { /* the layer of x is computed in whole vectors */
    ends[0] = ends[1] = larger((config->n_pml + 2 + VECTOR - 1) / VECTOR * VECTOR, reach);
  }
}

int32_t layer_cells(const pvi_config *config, int axis, int side) {
  const int mirrored = axis == 0 && side == 0 && config->free_surface;
  return mirrored || is_flat(config, axis) ? 0 : config->n_pml;
}

int32_t padded_cells(const pvi_config *config, int axis) {
  return layer_cells(config, axis, 0) + config->shape[axis] + layer_cells(config, axis, 1);
}

pvi_status split_axis(int32_t n, int32_t parts, int32_t least, const int32_t ends[2],
                      int32_t *begin) {
  begin[0] = 0;
  begin[parts] = n;
  if (parts == 1)
    return n >= larger(ends[0], ends[1]) ? PVI_OK : PVI_NO_DECOMPOSITION;

  const int32_t middle = parts - 2, share = n / parts;
  if (n < ends[0] + ends[1] + least * middle)
    return PVI_NO_DECOMPOSITION;
  int32_t first = larger(ends[0], share), last = larger(ends[1], share);
  if (middle == 0) {
    first = larger(ends[0], n - larger(ends[1], n / 2));
  } else if (n - first - last < least * middle) {
    first = ends[0];
    last = ends[1];
  }
  const int32_t rest = middle ? n - first - last : 0;
  for (int32_t i = 1; i < parts; i++) {
    const int32_t m = i - 1;
    begin[i] = first + (middle ? (int32_t)((int64_t)rest * m / middle) : 0);
  }
  return PVI_OK;
}

/* Smallest block of a feasible cut; 0 if there is none. */
static int feasible(const pvi_config *config, int axis, int32_t parts) {
  int32_t ends[2];
  end_cells(config, axis, ends);
  const int32_t n = padded_cells(config, axis);
  if (parts == 1)
    return 1;
  return n >= ends[0] + ends[1] + config->order / 2 * (parts - 2);
}

/* Cells exchanged by all cuts; short rows are slow, so a cut across x counts double. */
static double surface(const pvi_config *config, const int32_t dims[3]) {
  const double n[3] = {padded_cells(config, 0), padded_cells(config, 1),
                       padded_cells(config, 2)};
  return (dims[0] - 1) * n[1] * n[2] + (dims[1] - 1) * n[0] * n[2] +
         2 * (dims[2] - 1) * n[0] * n[1];
}

pvi_status pvi_decompose(const pvi_config *config, int32_t n_ranks, int32_t dims[3]) {
  if (!config || !dims)
    return PVI_BAD_POINTER;
  if (n_ranks < 1)
    return PVI_NO_DECOMPOSITION;
  double best = INFINITY;
  for (int32_t z = 1; z <= n_ranks; z++) {
    if (n_ranks % z || !feasible(config, 0, z))
      continue;
    for (int32_t y = 1; y <= n_ranks / z; y++) {
      const int32_t trial[3] = {z, y, n_ranks / z / y};
      if ((n_ranks / z) % y || !feasible(config, 1, y))
        continue;
      if (!feasible(config, 2, trial[2]) || surface(config, trial) >= best)
        continue;
      best = surface(config, trial);
      for (int axis = 0; axis < 3; axis++)
        dims[axis] = trial[axis];
    }
  }
  return isfinite(best) ? PVI_OK : PVI_NO_DECOMPOSITION;
}
