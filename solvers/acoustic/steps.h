/* What one time step reads and writes; of different tiles, in different threads. */
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
