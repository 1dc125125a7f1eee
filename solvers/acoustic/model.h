/* The gradient of the padded block, summed into the physical cells it came from. */
#pragma once
#include "plan.h"

/* Overwrites all of gradient [nz][ny][nx] with this rank's part. */
void PVI(fold_gradient)(const PVI(plan) *plan, double *gradient);
