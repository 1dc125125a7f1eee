/* One row of the forward step. */
#pragma once
#include "plan.h"

typedef enum { PVI_NO_LAYER, PVI_NEAR_LAYER, PVI_IN_LAYER } PVI(kind);

/* The layer of an axis that runs across the row. */
typedef struct {
  PVI(kind) kind;
  const real *psi;
  real *zeta;       /* of this row; only in the layer */
  ptrdiff_t stride; /* from one psi to the next along the axis */
  real a, b;
} PVI(across);

typedef struct {
  ptrdiff_t n;
  const real *p, *v, *extra;
  real *swap, *rhs;
  PVI(across) z, y;
} PVI(row);

void PVI(forward_row)(const PVI(plan) *plan, const PVI(row) *row);
