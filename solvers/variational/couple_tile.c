/* Offsets that differ along x only are added in one pass over a row. */
#include "couple_tile.h"

enum { RUN = 5 }; /* consecutive offsets that differ in x only, added in one pass */

/* A run of offsets and where it reads, for the first cell of a row. */
struct run {
  int32_t n;          /* offsets */
  int32_t first[3];   /* shift of the first one */
  int32_t step;       /* along x from one to the next */
  const real *c[RUN]; /* coefficients that the row's cells are multiplied with */
  const real *values; /* what the first offset multiplies */
};

/* Offset by offset in every cell, so that each sum is rounded as if there were no runs. */
static inline __attribute__((always_inline)) void
add_products(int32_t length, const struct run *r, ptrdiff_t from, ptrdiff_t to,
             const real *restrict values, real *restrict out) {
  const real *c[RUN];
  for (int32_t k = 0; k < length; k++)
    c[k] = r->c[k];
  const ptrdiff_t step = r->step;
#pragma omp simd
  for (ptrdiff_t i = from; i < to; i++) {
    real sum = out[i];
#pragma GCC unroll 5
    for (int32_t k = 0; k < length; k++)
      sum += c[k][i] * values[i + k * step];
    out[i] = sum;
  }
}

/* Cells of a row where all offsets of the run stay on the grid. */
static void add_inside(const struct run *r, ptrdiff_t from, ptrdiff_t to, real *out) {
  if (r->n == 1)
    add_products(1, r, from, to, r->values, out);
  else if (r->n == 2)
    add_products(2, r, from, to, r->values, out);
  else if (r->n == 3)
    add_products(3, r, from, to, r->values, out);
  else if (r->n == 4)
    add_products(4, r, from, to, r->values, out);
  else
    add_products(5, r, from, to, r->values, out);
}

/* Cells of a row where only some do: those k that keep x + k * step within [0, nx). */
static void add_edge(const struct run *r, ptrdiff_t from, ptrdiff_t to, ptrdiff_t nx,
                     real *out) {
  for (ptrdiff_t i = from; i < to; i++) {
    const ptrdiff_t x = i + r->first[2];
    const ptrdiff_t low = r->step > 0 ? -x : x - (nx - 1);
    const ptrdiff_t high = r->step > 0 ? nx - x : x + 1;
    const ptrdiff_t end = high < r->n ? high : r->n;
    real sum = out[i];
    for (ptrdiff_t k = low > 0 ? low : 0; k < end; k++)
      sum += r->c[k][i] * r->values[i + k * r->step];
    out[i] = sum;
  }
}

static void add_row(const struct run *r, ptrdiff_t x0, ptrdiff_t x1, ptrdiff_t nx, real *out) {
  const ptrdiff_t a = r->first[2], b = a + (r->n - 1) * r->step;
  const ptrdiff_t low = a < b ? a : b, high = a < b ? b : a;
  ptrdiff_t from = x0 < -low ? -low : x0, to = x1 > nx - high ? nx - high : x1;
  if (from >= to)
    from = to = x1;
  add_edge(r, x0, from, nx, out);
  add_inside(r, from, to, out);
  add_edge(r, to, x1, nx, out);
}

/* Offsets from k on that follow one another along x. */
static int32_t length_of_run(const struct couplings *m, int32_t k) {
  const int32_t *o = m->stencil->offsets + 3 * k;
  int32_t n = 1;
  while (n < RUN && k + n < m->last && o[3 * n] == o[0] && o[3 * n + 1] == o[1] &&
         o[3 * n + 2] == o[2] + n)
    n++;
  return n;
}

void couple_tile(const struct couplings *m, struct tile tile, const real *values, real *out) {
  const pvi_stencil *n = m->stencil;
  const ptrdiff_t nx = n->shape[2], cells = count_cells(n);
  struct run r = {.step = m->transposed ? 1 : -1};
  for (int32_t k = m->first; k < m->last; k += r.n) {
    r.n = length_of_run(m, k);
    for (int axis = 0; axis < 3; axis++)
      r.first[axis] = r.step * n->offsets[3 * k + axis];
    const ptrdiff_t distance = flat_distance(n, r.first);
    struct tile t = {tile.z, tile.y0, tile.y1, 0, (int32_t)nx};
    const int32_t rows_only[3] = {r.first[0], r.first[1], 0};
    if (!clip_tile(n, rows_only, &t))
      continue;
    for (int32_t y = t.y0; y < t.y1; y++) {
      const ptrdiff_t row = ((ptrdiff_t)t.z * n->shape[1] + y) * nx;
      for (int32_t j = 0; j < r.n; j++)
        r.c[j] = m->coefficients + (k + j) * cells + row +
                 (m->transposed ? 0 : distance + j * r.step);
      for (int32_t s = 0; s < n->n_samples; s++) {
        r.values = values + s * cells + row + distance;
        add_row(&r, tile.x0, tile.x1, nx, out + s * cells + row);
      }
    }
  }
}
