/* p_next = 2 p - p_previous + c^2 dt^2 laplacian(p), for rows of one or two planes at a time.
 */
#include "row.h"
#include "stencil.h"

/* Rows that are asked for in advance. Reaching beyond an array is harmless. */
enum { AHEAD = 4 };

/* Ask for a vector of a later row of what a step reads first. */
PVI_INLINE void ask(const struct stencil *s, const struct row *r, ptrdiff_t x) {
  const ptrdiff_t later = x + AHEAD * s->stride[1];
  __builtin_prefetch(r->p + HALO * s->stride[0] + later, 0, 2);
  __builtin_prefetch(r->swap + later, 0, 2);
  __builtin_prefetch(r->v + later, 0, 2);
}

/* A copy of the loop does one of these: the step, and stores or correlates beside it. */
enum task { STEP, STORE, CORRELATE };

PVI_INLINE void correlate(const struct row *r, ptrdiff_t x, vector here) {
  __builtin_prefetch(r->kept + x + AHEAD * r->n, 0, 2);
  __builtin_prefetch(r->gradient + x + AHEAD * r->n, 0, 2);
  store(r->gradient + x, load(r->gradient + x) + here * load(r->kept + x));
}

/* `section` is known to the compiler too: its copies have no derivative along y. */
PVI_INLINE void advance_cells(const struct stencil *s, const struct row row[PLANES], int n,
                              ptrdiff_t x, enum task also, int section) {
  vector along_z[PLANES], along_y[PLANES];
  laplacian_z(s, row[0].p + x, n, along_z);
  if (!section)
    laplacian_y(s, row[0].p + x, n, along_y);
#pragma GCC unroll 2
  for (int i = 0; i < n; i++) {
    const struct row *r = &row[i];
    const vector here = load(r->p + x);
    vector sum = along_z[i];
    if (!section)
      sum += along_y[i];
    sum += laplacian_x(s, r->p + x);
    ask(s, r, x);
    if (also == STORE) {
      __builtin_prefetch(r->rhs + x + AHEAD * r->n, 0, 2);
      store(r->rhs + x, sum);
    }
    if (also == CORRELATE)
      correlate(r, x, here);
    store(r->swap + x, 2 * here - load(r->swap + x) + load(r->v + x) * sum);
  }
}

PVI_INLINE void leapfrog(const struct geometry *g, const struct equation *e,
                         const struct row *given, int n, enum task also, int section) {
  const struct stencil s = stencil_of(g, e);
  const struct row row[PLANES] = {given[0], given[n - 1]};
  for (ptrdiff_t x = 0; x < row[0].n; x += WIDTH)
    advance_cells(&s, row, n, x, also, section);
}

PVI_INLINE void choose(const struct geometry *g, const struct equation *e,
                       const struct row *row, int32_t n, int section) {
  const enum task also = row[0].rhs ? STORE : row[0].kept ? CORRELATE : STEP;
  switch (3 * (n - 1) + (int)also) {
  case STEP: leapfrog(g, e, row, 1, STEP, section); break;
  case STORE: leapfrog(g, e, row, 1, STORE, section); break;
  case CORRELATE: leapfrog(g, e, row, 1, CORRELATE, section); break;
  case 3 + STEP: leapfrog(g, e, row, PLANES, STEP, section); break;
  case 3 + STORE: leapfrog(g, e, row, PLANES, STORE, section); break;
  default: leapfrog(g, e, row, PLANES, CORRELATE, section); break;
  }
}

void row_leapfrog(const struct geometry *g, const struct equation *e,
                  const struct row row[PLANES], int32_t n) {
  choose(g, e, row, n, 0);
}

void row_leapfrog_section(const struct geometry *g, const struct equation *e,
                          const struct row row[PLANES], int32_t n) {
  choose(g, e, row, n, 1);
}
