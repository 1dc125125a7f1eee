/* Exact triangular solves with the couplings, planes in a pipeline over the threads.
 *
 * A row depends on rows before it: up to two rows away in its own plane, and on the same
 * rows, plus the reach of the stencil, of the planes before. So while one thread works on
 * a plane the next follows it some rows behind on the next plane. "Before" is later in
 * the grid where the matrix is transposed. Every row is computed in the same way whoever
 * does it, so bits do not depend on threads.
 */
#include "couple_tile.h"
#include "team.h"
#include "variational.h"
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 16 }; /* of a block; the pipeline hands on blocks */

struct job {
  struct couplings far, plane, row; /* offsets with dz > 0; dz = 0, dy > 0; only dx > 0 */
  const real *inv_diagonal, *values;
  real *out;
  int32_t reach_z, reach_y;
  atomic_int *done; /* [nz] rows finished, in the order of work */
};

static struct job plan(const pvi_stencil *n, int32_t transposed, const real *coefficients) {
  const struct couplings none = {n, coefficients, transposed, 0, 0};
  struct job work = {.far = none, .plane = none, .row = none};
  int32_t rows = 0, planes = 0;
  for (int32_t k = 0; k < n->n_offsets; k++) {
    const int32_t *o = n->offsets + 3 * k;
    rows += o[0] == 0 && o[1] == 0;
    planes += o[0] == 0;
    work.reach_z = o[0] > work.reach_z ? o[0] : work.reach_z;
    work.reach_y = abs(o[1]) > work.reach_y ? abs(o[1]) : work.reach_y;
  }
  work.row.last = work.plane.first = rows;
  work.plane.last = work.far.first = planes;
  work.far.last = n->n_offsets;
  return work;
}

/* Subtract from each cell of a row what the cells before it in the row contribute. */
static inline __attribute__((always_inline)) void eliminate(const struct job *work,
                                                            int32_t length, ptrdiff_t start) {
  const pvi_stencil *n = work->row.stencil;
  const ptrdiff_t nx = n->shape[2], cells = count_cells(n);
  const int back = work->row.transposed;
  for (ptrdiff_t step = 0; step < nx; step++) {
    const ptrdiff_t at = start + (back ? nx - 1 - step : step);
    const real inverse = work->inv_diagonal[at];
    for (int32_t s = 0; s < n->n_samples; s++) {
      real *out = work->out + s * cells, value = out[at];
      /* The nearest cell last: only that product waits for the one before. */
      for (int32_t k = length - 1; k >= 0; k--) {
        const int32_t dx = n->offsets[3 * k + 2];
        if (dx > step)
          continue;
        const ptrdiff_t other = back ? at + dx : at - dx;
        value -= work->row.coefficients[k * cells + (back ? at : other)] * inverse * out[other];
      }
      out[at] = value;
    }
  }
}

/* Finish a row: out holds what the rows before contribute, and then the solution. */
static void substitute(const struct job *work, int32_t z, int32_t y) {
  const pvi_stencil *n = work->row.stencil;
  const ptrdiff_t nx = n->shape[2], cells = count_cells(n);
  const ptrdiff_t start = ((ptrdiff_t)z * n->shape[1] + y) * nx;
  const real *restrict inverse = work->inv_diagonal + start;
  for (int32_t s = 0; s < n->n_samples; s++) {
    const real *restrict values = work->values + s * cells + start;
    real *restrict out = work->out + s * cells + start;
#pragma omp simd
    for (ptrdiff_t i = 0; i < nx; i++)
      out[i] = (values[i] - out[i]) * inverse[i];
  }
  if (work->row.last == 1)
    eliminate(work, 1, start);
  else if (work->row.last == 2)
    eliminate(work, 2, start);
  else
    eliminate(work, work->row.last, start);
}

static void await(const struct job *work, int32_t z, int32_t rows) {
  const pvi_stencil *n = work->row.stencil;
  const int32_t nz = n->shape[0], ny = n->shape[1];
  const int32_t needed = rows + work->reach_y < ny ? rows + work->reach_y : ny;
  for (int32_t d = 1; d <= work->reach_z; d++) {
    const int32_t before = work->row.transposed ? z + d : z - d;
    if (before < 0 || before >= nz)
      return;
    for (int spins = 0;
         atomic_load_explicit(&work->done[before], memory_order_acquire) < needed; spins++)
      if (spins > 200)
        sched_yield();
  }
}

static void solve_plane(const struct job *work, int32_t z) {
  const pvi_stencil *n = work->row.stencil;
  const int32_t ny = n->shape[1], nx = n->shape[2], back = work->row.transposed;
  for (int32_t begin = 0; begin < ny; begin += ROWS) {
    const int32_t end = begin + ROWS < ny ? begin + ROWS : ny;
    const int32_t y0 = back ? ny - end : begin, y1 = back ? ny - begin : end;
    const size_t start = ((size_t)z * (size_t)ny + (size_t)y0) * (size_t)nx;
    for (int32_t s = 0; s < n->n_samples; s++)
      memset(work->out + s * count_cells(n) + start, 0,
             sizeof(real) * (size_t)(y1 - y0) * (size_t)nx);
    await(work, z, end);
    couple_tile(&work->far, (struct tile){z, y0, y1, 0, nx}, work->out, work->out);
    for (int32_t row = begin; row < end; row++) {
      const int32_t y = back ? ny - 1 - row : row;
      couple_tile(&work->plane, (struct tile){z, y, y + 1, 0, nx}, work->out, work->out);
      substitute(work, z, y);
    }
    atomic_store_explicit(&work->done[z], end, memory_order_release);
  }
}

pvi_variational_status pvi_solve(const pvi_stencil *n, int32_t transposed,
                                 const real *coefficients, const real *inv_diagonal,
                                 const real *values, real *out) {
  const pvi_variational_status status = check_stencil(n);
  if (status != PVI_VARIATIONAL_OK)
    return status;
  if ((!coefficients && n->n_offsets > 0) || !inv_diagonal || !values || !out)
    return PVI_VARIATIONAL_BAD_POINTER;
  const int32_t nz = n->shape[0];
  struct job work = plan(n, transposed, coefficients);
  work.inv_diagonal = inv_diagonal, work.values = values, work.out = out;
  work.done = malloc(sizeof(atomic_int) * (size_t)nz);
  if (!work.done)
    return PVI_VARIATIONAL_NO_MEMORY;
  for (int32_t z = 0; z < nz; z++)
    atomic_init(&work.done[z], 0);
  /* In order: the planes that a plane waits for are finished or being worked on. */
  const int32_t team = team_size(n->n_threads, count_tiles(n));
#pragma omp parallel for schedule(monotonic : dynamic, 1) num_threads(team)
  for (int32_t i = 0; i < nz; i++)
    solve_plane(&work, transposed ? nz - 1 - i : i);
  free(work.done);
  return PVI_VARIATIONAL_OK;
}
