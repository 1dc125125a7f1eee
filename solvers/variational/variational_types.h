/* Statuses and settings that the caller and the variational kernels exchange. */
#pragma once
#include <stdint.h>

typedef enum {
  PVI_VARIATIONAL_OK = 0,
  PVI_VARIATIONAL_BAD_SHAPE,   /* a size is not positive, or an offset not allowed */
  PVI_VARIATIONAL_BAD_POINTER, /* a required argument is NULL */
  PVI_VARIATIONAL_NO_MEMORY    /* an allocation failed */
} pvi_variational_status;

/* Couplings of each cell of a grid with the cells at some offsets, for a batch of samples.
 *
 * Cell j couples to j + offset where both are on the grid. Offsets are (dz, dy, dx),
 * lexicographically positive and increasing, so that couplings form a strictly lower
 * triangular matrix C. Coefficients are [n_offsets][nz][ny][nx], at the cell coupled from,
 * zero where either cell is fixed; fields are [n_samples][nz][ny][nx], zero in fixed cells.
 */
typedef struct {
  int32_t shape[3]; /* nz, ny, nx; x varies fastest */
  int32_t n_offsets;
  const int32_t *offsets; /* [n_offsets][3] */
  int32_t n_samples;
  int32_t n_threads; /* never changes a bit of a result */
} pvi_stencil;

/* One update of Adam; every number as the optimiser computed it in double.
 *
 *   first  = decay1 * first + gain1 * g
 *   second = decay2 * second + gain2 * g^2
 *   x     -= first / (sqrt(second) * root_scale + epsilon) * scale
 */
typedef struct {
  double decay1, gain1, decay2, gain2, root_scale, epsilon, scale;
} pvi_adam;

/* Independent cells: how many, for how many samples, and the entropy's derivative by log_sd. */
typedef struct {
  int64_t n;
  int32_t n_samples, n_threads;
  double entropy;
} pvi_cells;
