/* The variational update at the speed of memory: couplings, triangular solves, Adam.
 *
 * Compiled once for each precision: `real` is float or double, PVI(name) is pvi_name_f32 or
 * _f64. One rounding an operation, none fused, additions in the order of offsets and samples:
 * the bits are those of the same formula in torch, whatever the number of threads. Sums over
 * cells are in double, of blocks that do not depend on it either.
 */
#pragma once
#include "real.h"
#include "variational_types.h"

/* A parameter and Adam's two moments of it, changed in place. */
typedef struct {
  real *x, *first, *second;
} PVI(moments);

/* out = C values, or C^T values.    values [in], out [out]: [n_samples][nz][ny][nx] */
pvi_variational_status PVI(couple)(const pvi_stencil *stencil, int32_t transposed,
                              const real *coefficients, const real *values, real *out);

/* Solve (D + C) out = values, or its transpose.
 *
 *   inv_diagonal  [in]   1 / D, zero in fixed cells      [nz][ny][nx]
 *   values        [in]                                   [n_samples][nz][ny][nx]
 *   out           [out]  must not overlap values         [n_samples][nz][ny][nx]
 */
pvi_variational_status PVI(solve)(const pvi_stencil *stencil, int32_t transposed,
                             const real *coefficients, const real *inv_diagonal,
                             const real *values, real *out);

/* products_k[j] = sum_s eps_s[j] cotangent_s[j + offset_k]; zero where that is off the grid.
 *
 *   eps, cotangent  [in]            [n_samples][nz][ny][nx]
 *   products        [out]           [n_offsets][nz][ny][nx]
 */
pvi_variational_status PVI(products)(const pvi_stencil *stencil, const real *eps,
                                const real *cotangent, real *products);

/* Adam on the coefficients with `products` as gradient, which is never stored.
 *
 *   coefficients  [in,out]        [n_offsets][nz][ny][nx]
 *   squares       [out]           sum of the squared gradient
 */
pvi_variational_status PVI(descend_couplings)(const pvi_stencil *stencil, const real *eps,
                                         const real *cotangent, PVI(moments) coefficients,
                                         const pvi_adam *adam, double *squares);

/* Adam on theta = mu + sd eps: by mu, sum_s cotangent_s; by log_sd, sd sum_s cotangent_s eps_s
 * - entropy.
 *
 *   eps, cotangent  [in]            [cells->n_samples][cells->n]
 *   sd              [in]            [n]
 *   adam            [in]            of mu, then of log_sd
 *   squares         [out]           sum of both squared gradients
 */
pvi_variational_status
    PVI(descend_cells)(const pvi_cells *cells, const real *eps,
                                     const real *cotangent, const real *sd,
                                     const PVI(moments) parameters[2], const pvi_adam adam[2],
                                     double squares[2]);

/* Of two arrays [n]: the sums of a a, a b and b b, and the largest |a| and |b|. A sum is
 * infinite or NaN where a value is; the maxima pass over NaN. */
pvi_variational_status PVI(compare)(int64_t n, int32_t n_threads, const real *a, const real *b,
                               double result[5]);
