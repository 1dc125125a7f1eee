/* Values beyond a block: a neighbour's cells, or the mirror image at a free surface. */
#pragma once
#include "plan.h"

void PVI(halo_create)(PVI(plan) *plan);
void PVI(halo_destroy)(PVI(plan) *plan);
void PVI(refresh)(PVI(plan) *plan, int which);
