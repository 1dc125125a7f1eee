/* Rows of cells along x: the innermost loops of a time step. */
#pragma once
#include "equation.h"
#include "vector.h"

/* Planes that are advanced together, which shares what is read of the planes around them. */
enum { PLANES = 2 };

/* A row in each array, at its first cell. */
struct row {
  const real *p, *v;
  real *swap, *rhs, *gradient;
  const real *kept; /* the gradient takes p kept; NULL: it does not */
  ptrdiff_t n;      /* cells, whole vectors */
};

/* The memory variables of z or y in one row, or of one end of x. */
struct memory_row {
  real *psi, *zeta;
  ptrdiff_t cell, ahead;               /* to the next cell along the axis, to a later row */
  ptrdiff_t step;                      /* of the field to its next cell along the axis */
  const real *a, *b, *a_half, *b_half; /* damping at this cell, then at the next */
  real inv_h2;
  ptrdiff_t begin, end; /* of x: the cells it acts on */
};

/* The step of n rows, one above the other in z, as if there were no layer; and the gradient.
 * Of a section the second, which has no derivative along y. */
typedef void leapfrog_kernel(const struct geometry *g, const struct equation *e,
                             const struct row row[PLANES], int32_t n);
extern leapfrog_kernel row_leapfrog, row_leapfrog_section;

/* What the layer of an axis adds to a row that was advanced without it. */
typedef void layer_kernel(const struct memory_row *m, const struct row *row);
struct layer_kernels {
  layer_kernel *along, *end; /* of z and y, whole rows; of x, one end */
};
extern const struct layer_kernels row_layer, row_layer_adjoint;

/* Add v times a term of the right-hand side to the step of the cells at x. */
PVI_INLINE void add_term(const struct row *r, ptrdiff_t x, vector term) {
  store(r->swap + x, load(r->swap + x) + load(r->v + x) * term);
  if (r->rhs)
    store(r->rhs + x, load(r->rhs + x) + term);
}
