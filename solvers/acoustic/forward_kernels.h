/* The kernels of the forward step; see forward_tile.c for the equations. */
#pragma once
#include "block.h"

/* All of the step but the layer of x, for rows that see the layers of z and y alike. */
void PVI(
    forward_block)(const PVI(plan) *plan, const PVI(tile) *tile, const PVI(step) *step, const PVI(block) *block);

/* What the layer of x adds to the same rows, after forward_block. */
void PVI(forward_ends)(const PVI(plan) *plan, const PVI(step) *step, const PVI(block) *block);

/* psi of z or y along one row. */
PVI(row_kernel) PVI(forward_psi);
