/* The variational update at the speed of memory: couplings, triangular solves, Adam.
 *
 * There is one library for each precision, libpvi_variational_f32.so and _f64.so, and both
 * export these names; `real` is float or double. One rounding an operation, none fused,
 * additions in the order of offsets and samples: the bits are those of the same formula in
 * torch, whatever the number of threads. Sums over cells are in double, of blocks that do not
 * depend on it either.
 */
#pragma once
#include "real.h"
#include "variational_types.h"
#pragma GCC visibility push(default)

/* A parameter and Adam's two moments of it, changed in place. */
typedef struct {
  real *x, *first, *second;
} pvi_moments;

/* out = C values, or C^T values.    values [in], out [out]: [n_samples][nz][ny][nx] */
pvi_variational_status pvi_couple(const pvi_stencil *stencil, int32_t transposed,
                                  const real *coefficients, const real *values, real *out);

/* Solve (D + C) out = values, or its transpose.
 *
 *   inv_diagonal  [in]   1 / D, zero in fixed cells      [nz][ny][nx]
 *   values        [in]                                   [n_samples][nz][ny][nx]
 *   out           [out]  must not overlap values         [n_samples][nz][ny][nx]
 */
pvi_variational_status pvi_solve(const pvi_stencil *stencil, int32_t transposed,
                                 const real *coefficients, const real *inv_diagonal,
                                 const real *values, real *out);

/* products_k[j] = sum_s eps_s[j] cotangent_s[j + offset_k]; zero where that is off the grid.
 *
 *   eps, cotangent  [in]            [n_samples][nz][ny][nx]
 *   products        [out]           [n_offsets][nz][ny][nx]
 */
pvi_variational_status pvi_products(const pvi_stencil *stencil, const real *eps,
                                    const real *cotangent, real *products);

/* Adam on the coefficients with `products` as gradient, which is never stored.
 *
 *   coefficients  [in,out]        [n_offsets][nz][ny][nx]
 *   squares       [out]           sum of the squared gradient
 */
pvi_variational_status pvi_descend_couplings(const pvi_stencil *stencil, const real *eps,
                                             const real *cotangent, pvi_moments coefficients,
                                             const pvi_adam *adam, double *squares);

/* Adam on theta = mu + sd eps: by mu, sum_s cotangent_s; by log_sd, sd sum_s cotangent_s eps_s
 * - entropy.
 *
 *   eps, cotangent  [in]            [cells->n_samples][cells->n]
 *   sd              [in]            [n]
 *   adam            [in]            of mu, then of log_sd
 *   squares         [out]           sum of both squared gradients
 */
pvi_variational_status pvi_descend_cells(const pvi_cells *cells, const real *eps,
                                         const real *cotangent, const real *sd,
                                         const pvi_moments parameters[2],
                                         const pvi_adam adam[2], double squares[2]);

/* Of two arrays [n]: the sums of a a, a b and b b, and the largest |a| and |b|. A sum is
 * infinite or NaN where a value is; the maxima pass over NaN. */
pvi_variational_status pvi_compare(int64_t n, int32_t n_threads, const real *a, const real *b,
                                   double result[5]);

/* SHA-256 of the digests of all sources, in the order of their names. */
const char *pvi_source_hash(void);

#pragma GCC visibility pop
