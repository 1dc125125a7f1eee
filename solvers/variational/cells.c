/* What is done once a cell: Adam on mean and log sd, and sums that compare two arrays. */
#include "adam.h"
#include "team.h"
#include "variational.h"
#include <stdlib.h>

enum { BLOCK = 16384 }; /* cells of a partial sum; fixed, so that bits are */

static void gradients(const pvi_cells *cells, const real *eps, const real *cotangent,
                      ptrdiff_t at, ptrdiff_t n, real *restrict mean, real *restrict spread) {
  for (int32_t s = 0; s < cells->n_samples; s++) {
    const real *restrict e = eps + s * cells->n + at;
    const real *restrict c = cotangent + s * cells->n + at;
    if (s == 0) {
#pragma omp simd
      for (ptrdiff_t i = 0; i < n; i++) {
        mean[i] = c[i];
        spread[i] = c[i] * e[i];
      }
    } else {
#pragma omp simd
      for (ptrdiff_t i = 0; i < n; i++) {
        mean[i] += c[i];
        spread[i] += c[i] * e[i];
      }
    }
  }
}

pvi_variational_status pvi_descend_cells(const pvi_cells *cells, const real *eps,
                                         const real *cotangent, const real *sd,
                                         const pvi_moments parameters[2],
                                         const pvi_adam adam[2], double squares[2]) {
  if (!cells || !eps || !cotangent || !sd || !parameters || !adam || !squares)
    return PVI_VARIATIONAL_BAD_POINTER;
  if (cells->n < 1 || cells->n_samples < 1 || cells->n_threads < 1)
    return PVI_VARIATIONAL_BAD_SHAPE;
  const int64_t blocks = (cells->n + PIECE - 1) / PIECE;
  double (*parts)[2] = malloc(sizeof(double[2]) * (size_t)blocks);
  if (!parts)
    return PVI_VARIATIONAL_NO_MEMORY;
  const real entropy = (real)cells->entropy;
#pragma omp parallel for schedule(static)                                                      \
    num_threads(team_size(cells->n_threads, cells->n / BLOCK))
  for (int64_t b = 0; b < blocks; b++) {
    const ptrdiff_t at = b * PIECE;
    const ptrdiff_t n = cells->n - at < PIECE ? cells->n - at : PIECE;
    real g[2][PIECE];
    gradients(cells, eps, cotangent, at, n, g[0], g[1]);
#pragma omp simd
    for (ptrdiff_t i = 0; i < n; i++)
      g[1][i] = sd[at + i] * g[1][i] - entropy;
    for (int p = 0; p < 2; p++) {
      const pvi_moments m = parameters[p];
      parts[b][p] = adam_step(n, g[p], &adam[p], m.x + at, m.first + at, m.second + at);
    }
  }
  squares[0] = squares[1] = 0.0;
  for (int64_t b = 0; b < blocks; b++)
    for (int p = 0; p < 2; p++)
      squares[p] += parts[b][p];
  free(parts);
  return PVI_VARIATIONAL_OK;
}

static void compare_block(ptrdiff_t n, const real *restrict a, const real *restrict b,
                          double result[5]) {
  double aa = 0.0, ab = 0.0, bb = 0.0;
  real top_a = 0, top_b = 0;
#pragma omp simd reduction(+ : aa, ab, bb) reduction(max : top_a, top_b)
  for (ptrdiff_t i = 0; i < n; i++) {
    const double x = (double)a[i], y = (double)b[i];
    aa += x * x;
    ab += x * y;
    bb += y * y;
    const real up = a[i] < 0 ? -a[i] : a[i], vp = b[i] < 0 ? -b[i] : b[i];
    top_a = up > top_a ? up : top_a;
    top_b = vp > top_b ? vp : top_b;
  }
  result[0] = aa, result[1] = ab, result[2] = bb;
  result[3] = (double)top_a, result[4] = (double)top_b;
}

pvi_variational_status pvi_compare(int64_t n, int32_t n_threads, const real *a, const real *b,
                                   double result[5]) {
  if (!a || !b || !result)
    return PVI_VARIATIONAL_BAD_POINTER;
  if (n < 1 || n_threads < 1)
    return PVI_VARIATIONAL_BAD_SHAPE;
  const int64_t blocks = (n + BLOCK - 1) / BLOCK;
  double (*parts)[5] = malloc(sizeof(double[5]) * (size_t)blocks);
  if (!parts)
    return PVI_VARIATIONAL_NO_MEMORY;
#pragma omp parallel for schedule(static) num_threads(team_size(n_threads, blocks))
  for (int64_t i = 0; i < blocks; i++) {
    const int64_t at = i * BLOCK, rest = n - at;
    compare_block(rest < BLOCK ? rest : BLOCK, a + at, b + at, parts[i]);
  }
  for (int j = 0; j < 5; j++)
    result[j] = 0.0;
  for (int64_t i = 0; i < blocks; i++) {
    for (int j = 0; j < 3; j++)
      result[j] += parts[i][j];
    for (int j = 3; j < 5; j++)
      result[j] = parts[i][j] > result[j] ? parts[i][j] : result[j];
  }
  free(parts);
  return PVI_VARIATIONAL_OK;
}
