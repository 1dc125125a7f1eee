/* The kernels of the adjoint step; see adjoint_tile.c for the equations. */
#pragma once
#include "block.h"

/* All of the step but the layer of x, with the correlation of the gradient. */
void PVI(adjoint_block)(const PVI(plan) *plan, const PVI(step) *step, const PVI(block) *block);

/* What the layer of x adds to the same rows, after adjoint_block. */
void PVI(adjoint_ends)(const PVI(plan) *plan, const PVI(step) *step, const PVI(block) *block);

/* zeta, then psi, of z or y along one row. */
PVI(row_kernel) PVI(adjoint_zeta), PVI(adjoint_psi);
