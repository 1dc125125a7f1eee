/* One row of the adjoint step. */
#pragma once
#include "plan.h"

/* Scaled memory variables of an axis that runs across the row; NULL away from the layer. */
typedef struct {
  const real *psi, *zeta;
  ptrdiff_t stride;
} PVI(adjoint_across);

typedef struct {
  ptrdiff_t n;
  const real *p, *v, *extra, *rhs;
  real *swap, *gradient;
  PVI(adjoint_across) z, y;
} PVI(adjoint_row_data);

void PVI(adjoint_row)(const PVI(plan) *plan, const PVI(adjoint_row_data) *row);
