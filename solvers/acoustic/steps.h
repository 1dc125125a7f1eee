/* One time step of one tile, forwards and backwards. Thread-safe for different tiles. */
#pragma once
#include "plan.h"

/* p at this step; `swap` holds the step before and takes the step after. rhs [cells] takes
 * the right-hand side, or is NULL. */
typedef struct {
  PVI(wave) *wave;
  const real *p;
  real *swap;
  real *rhs;
} PVI(step);

void PVI(forward_tile)(const PVI(plan) *plan, const PVI(tile) *tile, const PVI(step) *step);

/* The transpose, run from the last step to the first: p is the scaled adjoint w of step
 * n + 1, swap goes from n + 2 to n, rhs is what the forward stored for step n,
 * or NULL: no correlation. */
void PVI(adjoint_tile)(const PVI(plan) *plan, const PVI(tile) *tile, const PVI(step) *step);
