/* The places of a rank's cells in memory and in the grid. No MPI, no allocation. */
#pragma once
#include "real.h"
#include "types.h"
#include <stddef.h>

/* The cells that one side of the layer of one axis acts on: its own and one more inside; of x
 * whole halves of a cache line. Along z and y, zeros follow at both ends of the memory
 * variables. */
struct slab {
  int32_t present;          /* 0: this block does not touch that side */
  int32_t begin, end;       /* local cells the layer acts on */
  ptrdiff_t origin, sz, sy; /* element of local cell (z, y), first x */
  ptrdiff_t cell;           /* stride along the axis of the layer */
  ptrdiff_t size;           /* elements of a memory variable */
};

struct geometry {
  int32_t padded[3];              /* cells of the whole grid with its layer */
  int32_t before[3];              /* layer cells before the physical box */
  int32_t offset[3];              /* first cell of this block in the padded grid */
  int32_t n[3];                   /* cells of this block */
  int section;                    /* 1: one cell along y, without layer, halo or derivative */
  ptrdiff_t origin, sz, sy, size; /* a wavefield: rows start on a cache line */
  ptrdiff_t row, cells;           /* an array without halo: row pitch and elements */
  struct slab slab[3][2];
};

/* Block number `coords` of `dims`; the split must be feasible. */
void locate_block(const pvi_config *config, const int32_t dims[3], const int32_t coords[3],
                  struct geometry *g);

/* Elements of the wavefields, model, memory variables and gradient together. */
int64_t geometry_reals(const struct geometry *g);

/* The cell of a slab of z or y next to the layer. */
static inline int32_t slab_edge(const struct slab *s, int side) {
  return side ? s->begin : s->end - 1;
}

/* Element of the first x of a row of a memory variable, wavefield, array without halo. */
static inline ptrdiff_t in_slab(const struct slab *s, ptrdiff_t z, ptrdiff_t y) {
  return s->origin + z * s->sz + y * s->sy;
}
static inline ptrdiff_t in_field(const struct geometry *g, ptrdiff_t z, ptrdiff_t y) {
  return g->origin + z * g->sz + y * g->sy;
}
static inline ptrdiff_t in_cells(const struct geometry *g, ptrdiff_t z, ptrdiff_t y) {
  return (z * g->n[1] + y) * g->row;
}

/* Physical cell whose speed a local cell takes: the nearest. */
static inline ptrdiff_t nearest_cell(const struct geometry *g, const int32_t shape[3], int axis,
                                     int32_t local) {
  const int32_t cell = g->offset[axis] + local - g->before[axis];
  return cell < 0 ? 0 : cell >= shape[axis] ? shape[axis] - 1 : cell;
}
