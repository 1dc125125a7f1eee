/* The gradient by the coefficients, as an array or straight into Adam. */
#include "adam.h"
#include "team.h"
#include "tiles.h"
#include "variational.h"
#include <stdlib.h>
#include <string.h>

struct fields {
  const pvi_stencil *stencil;
  const real *eps, *cotangent;
};

/* gradient[i] = sum over samples of eps[at + i] cotangent[at + distance + i], in order. */
static inline void multiply(const struct fields *f, ptrdiff_t at, ptrdiff_t distance,
                            ptrdiff_t n, real *restrict gradient) {
  const ptrdiff_t cells = count_cells(f->stencil);
  for (int32_t s = 0; s < f->stencil->n_samples; s++) {
    const real *restrict a = f->eps + s * cells + at;
    const real *restrict b = f->cotangent + s * cells + at + distance;
    if (s == 0) {
#pragma omp simd
      for (ptrdiff_t i = 0; i < n; i++)
        gradient[i] = a[i] * b[i];
    } else {
#pragma omp simd
      for (ptrdiff_t i = 0; i < n; i++)
        gradient[i] += a[i] * b[i];
    }
  }
}

/* Set to zero the last `gap` of every `nx` reals, of which g [n] are those from `i` on. */
static void clear_gaps(ptrdiff_t i, ptrdiff_t n, ptrdiff_t nx, ptrdiff_t gap,
                       real *restrict g) {
  for (ptrdiff_t start = i / nx * nx + nx - gap; start < i + n; start += nx)
    for (ptrdiff_t j = start < i ? i : start; j < start + gap && j < i + n; j++)
      g[j - i] = 0;
}

/* The cells of some rows that have a neighbour at a distance, n in all with those between the
 * rows' ends: `gap` cells of every nx that have none, whose gradient is zero. */
static double descend_rows(const struct fields *f, ptrdiff_t at, ptrdiff_t distance,
                           ptrdiff_t n, ptrdiff_t gap, pvi_moments c, const pvi_adam *adam) {
  const ptrdiff_t nx = f->stencil->shape[2];
  real gradient[PIECE];
  double squares = 0.0;
  for (ptrdiff_t i = 0; i < n; i += PIECE) {
    const ptrdiff_t m = n - i < PIECE ? n - i : PIECE;
    multiply(f, at + i, distance, m, gradient);
    if (gap > 0)
      clear_gaps(i, m, nx, gap, gradient);
    squares += adam_step(m, gradient, adam, c.x + at + i, c.first + at + i, c.second + at + i);
  }
  return squares;
}

static double descend_tile(const struct fields *f, struct tile whole, pvi_moments all,
                           const pvi_adam *adam) {
  const pvi_stencil *n = f->stencil;
  const ptrdiff_t nx = n->shape[2], cells = count_cells(n);
  double squares = 0.0;
  for (int32_t k = 0; k < n->n_offsets; k++) {
    const int32_t *offset = n->offsets + 3 * k;
    const pvi_moments c = {all.x + k * cells, all.first + k * cells, all.second + k * cells};
    struct tile t = whole;
    if (!clip_tile(n, offset, &t))
      continue;
    const ptrdiff_t at = ((ptrdiff_t)t.z * n->shape[1] + t.y0) * nx + t.x0;
    const ptrdiff_t length = t.x1 - t.x0, between = (t.y1 - t.y0 - 1) * nx;
    squares +=
        descend_rows(f, at, flat_distance(n, offset), between + length, nx - length, c, adam);
  }
  return squares;
}

static pvi_variational_status check(const pvi_stencil *n, const real *eps,
                                    const real *cotangent) {
  const pvi_variational_status status = check_stencil(n);
  return status == PVI_VARIATIONAL_OK && (!eps || !cotangent) ? PVI_VARIATIONAL_BAD_POINTER
                                                              : status;
}

pvi_variational_status pvi_descend_couplings(const pvi_stencil *n, const real *eps,
                                             const real *cotangent, pvi_moments c,
                                             const pvi_adam *adam, double *squares) {
  const pvi_variational_status status = check(n, eps, cotangent);
  if (status != PVI_VARIATIONAL_OK)
    return status;
  const int none = n->n_offsets == 0;
  if (!adam || !squares || (!none && (!c.x || !c.first || !c.second)))
    return PVI_VARIATIONAL_BAD_POINTER;
  const struct fields f = {n, eps, cotangent};
  const int64_t tiles = count_tiles(n);
  double *parts = malloc(sizeof(double) * (size_t)tiles);
  if (!parts)
    return PVI_VARIATIONAL_NO_MEMORY;
#pragma omp parallel for schedule(static) num_threads(team_size(n->n_threads, tiles))
  for (int64_t i = 0; i < tiles; i++)
    parts[i] = descend_tile(&f, tile_at(n, i), c, adam);
  *squares = 0.0;
  for (int64_t i = 0; i < tiles; i++)
    *squares += parts[i];
  free(parts);
  return PVI_VARIATIONAL_OK;
}

pvi_variational_status pvi_products(const pvi_stencil *n, const real *eps,
                                    const real *cotangent, real *products) {
  const pvi_variational_status status = check(n, eps, cotangent);
  if (status != PVI_VARIATIONAL_OK)
    return status;
  if (!products && n->n_offsets > 0)
    return PVI_VARIATIONAL_BAD_POINTER;
  const struct fields f = {n, eps, cotangent};
  const ptrdiff_t nx = n->shape[2], cells = count_cells(n);
  const int64_t tiles = count_tiles(n);
#pragma omp parallel for schedule(static) num_threads(team_size(n->n_threads, tiles))
  for (int64_t i = 0; i < tiles; i++)
    for (int32_t k = 0; k < n->n_offsets; k++) {
      const int32_t *offset = n->offsets + 3 * k;
      struct tile whole = tile_at(n, i), t = whole;
      const int some = clip_tile(n, offset, &t);
      for (int32_t y = whole.y0; y < whole.y1; y++) {
        const ptrdiff_t row = ((ptrdiff_t)whole.z * n->shape[1] + y) * nx;
        real *out = products + k * cells + row;
        memset(out + whole.x0, 0, sizeof(real) * (size_t)(whole.x1 - whole.x0));
        if (some && y >= t.y0 && y < t.y1)
          multiply(&f, row + t.x0, flat_distance(n, offset), t.x1 - t.x0, out + t.x0);
      }
    }
  return PVI_VARIATIONAL_OK;
}
