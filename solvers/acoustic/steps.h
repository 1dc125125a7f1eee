/* What one time step reads and writes; of different tiles, in different threads. */
#pragma once
#include "plan.h"

/* p at this step; `swap` holds the step before and takes the step after. rhs [cells] takes
 * the right-hand side; with `kept`, the right-hand side of a forward step, the gradient takes
 * p kept. Either may be NULL. */
typedef struct {
  PVI(wave) *wave;
  const real *p;
  real *swap, *rhs;
  const real *kept;
  int adjoint; /* 1: the transposed step */
} PVI(step);
