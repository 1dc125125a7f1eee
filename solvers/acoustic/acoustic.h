/* The acoustic solver: (1/c^2) p_tt - laplacian(p) = s(t) delta(x - x_s) and its adjoint.
 *
 * Order 2 in time, 4, 8 or 12 in space, convolutional PML outside the physical box. With one
 * cell along y it is the equation in two dimensions: of line sources along y. There is
 * one library for each precision and order, for example libpvi_acoustic_f32_o8.so, and each
 * exports these names; `real` is float or double.
 * Functions of a plan but get_timers and destroy are collective over its communicator, and
 * return the same status on every rank; the others are local.
 */
#pragma once
#include "real.h"
#include "types.h"
#pragma GCC visibility push(default)

typedef struct pvi_plan pvi_plan;

/* One source and what records it. */
typedef struct {
  int32_t nt;           /* time samples, sample n at n dt */
  pvi_points source;    /* one point */
  const real *wavelet;  /* s(n dt)  [nt] */
  pvi_points receivers; /* n_rec points */
} pvi_shot;

/* Validate, cut the grid, allocate. `comm` is a Fortran handle (MPI_Comm_c2f). */
pvi_status pvi_create(const pvi_config *config, int32_t comm, pvi_plan **plan);

/* Speed [m/s], all of [nz][ny][nx] on every rank; the layer repeats the edge cells. */
pvi_status pvi_set_model(pvi_plan *plan, const real *velocity);

/* How forward runs are kept from now on; allocates. */
pvi_status pvi_set_storage(pvi_plan *plan, const pvi_storage *storage);

/* Propagate one source.
 *
 *   store    [in]   keep what the adjoint needs
 *   traces   [out]  p(n dt) at the receivers       [nt][n_rec], on every rank
 */
pvi_status pvi_forward(pvi_plan *plan, const pvi_shot *shot, int32_t store, real *traces);

/* The same, and the derivative of the traces along a direction of the model.
 *
 *   direction   [in]   change of the speed [m/s]                [nz][ny][nx], on every rank
 *   linearised  [out]  d(traces)/d(speed) times direction       [nt][n_rec], on every rank
 */
pvi_status pvi_born(pvi_plan *plan, const pvi_shot *shot, const real *direction, int32_t store,
                    real *traces, real *linearised);

/* Derivatives of sum(residual * traces), for the last stored run, which was this shot's.
 *
 *   residual    [in]   cotangent of the traces       [nt][n_rec]
 *   gradient    [out]  by speed, sum over ranks      [nz][ny][nx], on rank 0 only
 *   by_wavelet  [out]  by s(n dt)                    [nt], on every rank
 */
pvi_status pvi_adjoint(pvi_plan *plan, const pvi_shot *shot, const real *residual,
                       double *gradient, real *by_wavelet);

/* Time that the steps of this rank took so far. */
void pvi_get_timers(const pvi_plan *plan, pvi_timers *timers);

void pvi_destroy(pvi_plan *plan);

/* Cut the padded grid into n_ranks blocks of least surface; dims are z, y, x. */
pvi_status pvi_decompose(const pvi_config *config, int32_t n_ranks, int32_t dims[3]);

/* Bytes that the largest rank allocates; those on disk are not among them. NULL: forward
 * runs only. */
int64_t pvi_memory(const pvi_config *config, int32_t n_ranks, const pvi_storage *storage);

/* Bytes a second of q = 2 p - q + v p on arrays of `cells` floats, the best of `repeats`;
 * 0 if there is no memory. */
double pvi_bandwidth(int32_t n_threads, int64_t cells, int32_t repeats);

/* The MPI library this one was loaded with; at most size characters. */
int32_t pvi_mpi_version(char *text, int32_t size);

/* SHA-256 of the digests of all sources, in the order of their names. */
const char *pvi_source_hash(void);

#pragma GCC visibility pop
