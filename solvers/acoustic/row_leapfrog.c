/* p_next = 2 p - p_previous + c^2 dt^2 laplacian(p), for rows of one or two planes at a time.
 */
#include "rows.h"
#include "stencil.h"

/* Rows that are asked for in advance. Reaching beyond an array is harmless. */
enum { AHEAD = 4 };

/* Ask for a vector of a later row of what a step reads first. */
PVI_INLINE void ask(const PVI(stencil) *s, const PVI(row) *r, ptrdiff_t x) {
  const ptrdiff_t later = x + AHEAD * s->stride[1];
  __builtin_prefetch(r->p + PVI_HALO * s->stride[0] + later, 0, 2);
  __builtin_prefetch(r->swap + later, 0, 2);
  __builtin_prefetch(r->v + later, 0, 2);
}

/* What a copy of the loop does beside the step. */
typedef enum { STEP, STORE, CORRELATE } task;

PVI_INLINE void correlate(const PVI(row) *r, ptrdiff_t x, PVI(vector) here) {
  __builtin_prefetch(r->kept + x + AHEAD * r->n, 0, 2);
  __builtin_prefetch(r->gradient + x + AHEAD * r->n, 0, 2);
  PVI(store)(r->gradient + x, PVI(load)(r->gradient + x) + here * PVI(load)(r->kept + x));
}

PVI_INLINE void advance(const PVI(stencil) *s, const PVI(row) row[PVI_PLANES], int n, ptrdiff_t x,
                        task also) {
  PVI(vector) along_z[PVI_PLANES], along_y[PVI_PLANES];
  PVI(laplacian_z)(s, row[0].p + x, n, along_z);
  PVI(laplacian_y)(s, row[0].p + x, n, along_y);
#pragma GCC unroll 2
  for (int i = 0; i < n; i++) {
    const PVI(row) *r = &row[i];
    const PVI(vector) here = PVI(load)(r->p + x);
    const PVI(vector) sum = along_z[i] + along_y[i] + PVI(laplacian_x)(s, r->p + x);
    ask(s, r, x);
    if (also == STORE) {
      __builtin_prefetch(r->rhs + x + AHEAD * r->n, 0, 2);
      PVI(store)(r->rhs + x, sum);
    }
    if (also == CORRELATE)
      correlate(r, x, here);
    PVI(store)(r->swap + x, 2 * here - PVI(load)(r->swap + x) + PVI(load)(r->v + x) * sum);
  }
}

PVI_INLINE void run(const PVI(plan) *plan, const PVI(row) *given, int n, task also) {
  const PVI(stencil) s = PVI(stencil_of)(plan);
  const PVI(row) row[PVI_PLANES] = {given[0], given[n - 1]};
  for (ptrdiff_t x = 0; x < row[0].n; x += PVI_WIDTH)
    advance(&s, row, n, x, also);
}

void PVI(leapfrog)(const PVI(plan) *plan, const PVI(row) row[PVI_PLANES], int32_t n) {
  const task also = row[0].rhs ? STORE : row[0].kept ? CORRELATE : STEP;
  switch (3 * (n - 1) + (int)also) {
  case STEP: run(plan, row, 1, STEP); break;
  case STORE: run(plan, row, 1, STORE); break;
  case CORRELATE: run(plan, row, 1, CORRELATE); break;
  case 3 + STEP: run(plan, row, PVI_PLANES, STEP); break;
  case 3 + STORE: run(plan, row, PVI_PLANES, STORE); break;
  default: run(plan, row, PVI_PLANES, CORRELATE); break;
  }
}
