/* Rows of cells along x: the unit in which tiles are advanced. */
#pragma once
#include "steps.h"
#include "vector.h"

/* Planes that are advanced together, which shares what is read of the planes around them. */
enum { PVI_PLANES = 2 };

/* Rows of up to PVI_PLANES planes that see the layers of z and y alike. */
typedef struct {
  int32_t z, n_z, y0, y1;
  int in_z[PVI_PLANES], in_y; /* which side of the layer of an axis acts on them; -1: none */
} PVI(strip);

/* A row in each array, at its first cell. */
typedef struct {
  const real *p, *v;
  real *swap, *rhs, *gradient;
  const real *kept; /* the gradient takes p kept; NULL: it does not */
  ptrdiff_t n;      /* cells, whole vectors */
} PVI(row);

/* The memory variables of z or y in one row, or of one end of x. */
typedef struct {
  real *psi, *zeta;
  ptrdiff_t cell, ahead;               /* to the next cell along the axis, to a later row */
  ptrdiff_t step;                      /* of the field to its next cell along the axis */
  const real *a, *b, *a_half, *b_half; /* damping at this cell, then at the next */
  real inv_h2;
  ptrdiff_t begin, end; /* of x: the cells it acts on */
} PVI(memory_row);

/* What the layer of an axis adds to a row that was advanced without it. */
typedef void PVI(layer_kernel)(const PVI(memory_row) *m, const PVI(row) *row);
typedef struct {
  PVI(layer_kernel) *along, *end; /* of z and y, whole rows; of x, one end */
} PVI(layer_kernels);
extern const PVI(layer_kernels) PVI(forward_layer), PVI(adjoint_layer);

/* The step of n rows, one above the other in z, as if there were no layer; and the gradient. */
void PVI(leapfrog)(const PVI(plan) *plan, const PVI(row) row[PVI_PLANES], int32_t n);

/* Advance a strip: field, memory variables and gradient. */
void PVI(rows)(const PVI(plan) *plan, const PVI(step) *step, const PVI(strip) *strip);

/* Advance a tile, planes from top to bottom, rows in memory order. */
void PVI(march)(const PVI(plan) *plan, const PVI(tile) *tile, const PVI(step) *step);

/* Add v times a term of the right-hand side to the step of the cells at x. */
PVI_INLINE void PVI(add_term)(const PVI(row) *r, ptrdiff_t x, PVI(vector) term) {
  PVI(store)(r->swap + x, PVI(load)(r->swap + x) + PVI(load)(r->v + x) * term);
  if (r->rhs)
    PVI(store)(r->rhs + x, PVI(load)(r->rhs + x) + term);
}
