/* The acoustic solver: (1/c^2) p_tt - laplacian(p) = s(t) delta(x - x_s) and its adjoint.
 *
 * Order 2 in time, 4, 8 or 12 in space, convolutional PML outside the physical box. Compiled
 * once for each precision and order: `real` is float or double, PVI(name) is for example
 * pvi_name_f32_o8.
 * Every function but memory and destroy is collective over the plan's communicator, and
 * returns the same status on every rank.
 */
#pragma once
#include "real.h"
#include "types.h"

typedef struct PVI(plan) PVI(plan);

/* One source and what records it. */
typedef struct {
  int32_t nt;           /* time samples, sample n at n dt */
  pvi_points source;    /* one point */
  const real *wavelet;  /* s(n dt)  [nt] */
  pvi_points receivers; /* n_rec points */
} PVI(shot);

/* Validate, cut the grid, allocate. `comm` is a Fortran handle (MPI_Comm_c2f). */
pvi_status PVI(create)(const pvi_config *config, int32_t comm, PVI(plan) **plan);

/* Speed [m/s], all of [nz][ny][nx] on every rank; the layer repeats the edge cells. */
pvi_status PVI(set_model)(PVI(plan) *plan, const real *velocity);

/* How forward runs are kept from now on; allocates. */
pvi_status PVI(set_storage)(PVI(plan) *plan, const pvi_storage *storage);

/* Propagate one source.
 *
 *   store    [in]   keep what the adjoint needs
 *   traces   [out]  p(n dt) at the receivers       [nt][n_rec], on every rank
 */
pvi_status PVI(forward)(PVI(plan) *plan, const PVI(shot) *shot, int32_t store, real *traces);

/* The same, and the derivative of the traces along a direction of the model.
 *
 *   direction   [in]   change of the speed [m/s]                [nz][ny][nx], on every rank
 *   linearised  [out]  d(traces)/d(speed) times direction       [nt][n_rec], on every rank
 */
pvi_status PVI(born)(
    PVI(plan) *plan, const PVI(shot) *shot, const real *direction, int32_t store,
                real *traces, real *linearised);

/* Derivatives of sum(residual * traces), for the last stored run, which was this shot's.
 *
 *   residual    [in]   cotangent of the traces       [nt][n_rec]
 *   gradient    [out]  by speed, sum over ranks      [nz][ny][nx], on rank 0 only
 *   by_wavelet  [out]  by s(n dt)                    [nt], on every rank
 */
pvi_status PVI(adjoint)(
    PVI(plan) *plan, const PVI(shot) *shot, const real *residual, double *gradient,
                   real *by_wavelet);

/* Bytes that the largest rank allocates; those on disk are not among them. NULL: forward
 * runs only. */
int64_t PVI(memory)(const pvi_config *config, int32_t n_ranks, const pvi_storage *storage);

/* Where this rank's time went. Local. */
void PVI(timers)(const PVI(plan) *plan, pvi_timers *timers);

void PVI(destroy)(PVI(plan) *plan);
