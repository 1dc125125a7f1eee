/* Right-hand sides of a segment of time steps, and states to run other segments again. */
#pragma once
#include "plan.h"

/* Allocate what a storage asks for; what it replaces is released. Not collective. */
pvi_status PVI(history_open)(PVI(plan) *plan, const pvi_storage *storage);
void PVI(history_close)(PVI(plan) *plan);

/* Bytes in memory for one block; those of the right-hand sides alone go to `file` if the
 * storage has a folder. */
int64_t PVI(history_bytes)(const PVI(geometry) *g, const pvi_storage *storage, int64_t *file);

/* Where the kernel puts the right-hand side of step n: NULL if the step is not kept. */
real *PVI(history_target)(PVI(plan) *plan, int32_t n);
/* The kernel has done so. */
void PVI(history_put)(PVI(plan) *plan, int32_t n);
/* The right-hand side of step n, NULL if it is not kept; good until the next call. */
real *PVI(history_get)(PVI(plan) *plan, int32_t n);

/* Copy a wave to or from a block of state_reals elements. */
int64_t PVI(state_reals)(const PVI(geometry) *g);
void PVI(state_save)(const PVI(plan) *plan, const PVI(wave) *wave, real *state);
void PVI(state_restore)(const PVI(plan) *plan, const real *state, PVI(wave) *wave);
