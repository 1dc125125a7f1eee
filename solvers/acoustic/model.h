/* Derivatives by the speed of a physical cell and by dV of the padded block. */
#pragma once
#include "plan.h"

/* Overwrites all of gradient [nz][ny][nx] with this rank's part of weight times the sum. */
void fold_gradient(const pvi_plan *plan, int32_t weight, double *gradient);

/* dV = 2 c dt^2 dc into the plan's gradient array; direction is dc [nz][ny][nx]. */
void linearise(pvi_plan *plan, const real *direction);
