/* How an axis, and a grid, is cut into blocks that own their part of the layer. */
#pragma once
#include "types.h"

/* Cut n cells into `parts`; the outer blocks hold at least `ends` cells, the others
 * `least`.
 * Writes begin[parts + 1]; PVI_NO_DECOMPOSITION if n is too small. */
pvi_status split_axis(int32_t n, int32_t parts, int32_t least, const int32_t ends[2],
                      int32_t *begin);

/* 1 if waves do not change along an axis: y, if it has one cell. */
static inline int is_flat(const pvi_config *config, int axis) {
  return axis == 1 && config->shape[axis] == 1;
}

/* Cells of the layer on one side of an axis. */
int32_t layer_cells(const pvi_config *config, int axis, int side);

/* Cells of an axis with its layer, and the least size of its outer blocks. */
int32_t padded_cells(const pvi_config *config, int axis);
void end_cells(const pvi_config *config, int axis, int32_t ends[2]);
