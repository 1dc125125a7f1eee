/* The acoustic solver: (1/c^2) p_tt - laplacian(p) = s(t) delta(x - x_s) and its adjoint.
 *
 * Order 2 in time, 8 in space, convolutional PML outside the physical box. Compiled once
 * for each precision: `real` is float or double, PVI(name) is pvi_name_f32 or _f64.
 * Every function but memory and destroy is collective over the plan's communicator, and
 * returns the same status on every rank.
 */
#pragma once
#include "real.h"
#include "types.h"

typedef struct PVI(plan) PVI(plan);

/* Validate, cut the grid, allocate. `comm` is a Fortran handle (MPI_Comm_c2f). */
pvi_status PVI(create)(const pvi_config *config, int32_t comm, PVI(plan) **plan);

/* Speed [m/s], all of [nz][ny][nx] on every rank; the layer repeats the edge cells. */
pvi_status PVI(set_model)(PVI(plan) *plan, const real *velocity);

/* Propagate one source.
 *
 *   wavelet  [in]   s(n dt)                        [nt]
 *   traces   [out]  p(n dt) at the receivers       [nt][n_rec], on every rank
 *   store    [in]   keep what the adjoint needs: nt - 1 wavefields
 */
pvi_status PVI(forward)(
    PVI(plan) *plan, int32_t nt, const pvi_points *source, const real *wavelet,
                   const pvi_points *receivers, int32_t store, real *traces);

/* Derivatives of sum(residual * traces), for the last stored forward.
 *
 *   residual  [in]   cotangent of the traces       [nt][n_rec]
 *   gradient  [out]  by speed, sum over ranks      [nz][ny][nx], on rank 0 only
 *   wavelet   [out]  by s(n dt)                    [nt], on every rank; may be NULL
 */
pvi_status PVI(adjoint)(PVI(plan) *plan, int32_t nt, const pvi_points *source,
                   const pvi_points *receivers, const real *residual, double *gradient,
                   real *wavelet);

/* Bytes of the largest rank, with the stored wavefields of nt steps (0: none). */
int64_t PVI(memory)(const pvi_config *config, int32_t n_ranks, int32_t nt, int32_t n_rec);

void PVI(destroy)(PVI(plan) *plan);
