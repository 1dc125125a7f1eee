/* Rows that see the layer alike: the unit of the kernels. */
#pragma once
#include "steps.h"

/* Rows advanced together share the set-up of a kernel. */
enum { PVI_ROWS = 8 };

typedef struct {
  int32_t z0, z1, y0, y1;
} PVI(block);

typedef enum { PVI_NO_LAYER, PVI_NEAR_LAYER, PVI_IN_LAYER } PVI(kind);

/* The layer of z or y as a row sees it; slab and layer are NULL away from it. */
typedef struct {
  PVI(kind) kind;
  const PVI(slab) *slab;
  const PVI(layer) *layer;
} PVI(across);

static inline int32_t PVI(smaller)(int32_t a, int32_t b) { return a < b ? a : b; }

PVI(across)
PVI(look_up)(const PVI(plan) *plan, const PVI(wave) *wave, int axis, int32_t at);

/* End of the cells from `at` that see the layer of an axis alike; at most `limit`. */
int32_t PVI(alike)(const PVI(plan) *plan, int axis, int32_t at, int32_t limit);

/* Call `kernel` for every row of the block that lies in the layer of z or y. */
typedef struct {
  real a, b;
  ptrdiff_t field, memory; /* element of the first cell */
  ptrdiff_t field_stride, memory_stride;
} PVI(layer_row);
typedef void PVI(
    row_kernel)(const PVI(plan) *plan, int axis, const PVI(layer) *layer, const PVI(layer_row) *row,
                        const real *p);
void PVI(
    for_layer_rows)(const PVI(plan) *plan, int axis, const PVI(block) *block, const PVI(step) *step,
                    PVI(row_kernel) *kernel);
