/* The transpose of the forward step, with w = c^2 dt^2 times the adjoint of p, and the
 * zero-lag correlation of the gradient in the same pass:
 *
 *   zeta   = b zeta + a w                                (a times the adjoint of zeta)
 *   psi    = b psi  - a ((w + zeta)[+1] - (w + zeta)) / h^2   (a / h^2 times that of psi)
 *   w_prev = 2 w - w_next + c^2 dt^2 (laplacian(w) + sum over axes of
 *            ((zeta[+1] - 2 zeta + zeta[-1]) / h^2 - (psi - psi[-1])))
 *
 * zeta[+1] is computed, not yet stored, when its turn comes it is computed once more. */
#include "rows.h"
#include "stencil.h"

/* What one axis of the layer adds at element x; `w` points to it, `step` to the next. */
PVI_INLINE PVI(vector) memory(const PVI(memory_row) *m, ptrdiff_t x, const real *w, ptrdiff_t step,
                         real inv_h2) {
  const real *psi_at = m->psi + x, *zeta_at = m->zeta + x;
  const PVI(vector) here = PVI(load)(w), up = PVI(load)(w + step);
  const PVI(vector) zeta = m->b * PVI(load)(zeta_at) + m->a * here;
  const PVI(vector) next = m->b_next * PVI(load)(zeta_at + m->stride) + m->a_next * up;
  const PVI(vector) previous = PVI(load)(zeta_at - m->stride);
  const PVI(vector) difference = (up + next) - (here + zeta);
  const PVI(vector) psi = m->b_half * PVI(load)(psi_at) - m->a_half * difference;
  const PVI(vector) d_psi = psi - PVI(load)(psi_at - m->stride);
  PVI(store)(m->psi + x, psi);
  PVI(store)(m->zeta + x, zeta);
  __builtin_prefetch(psi_at + m->ahead);
  __builtin_prefetch(zeta_at + m->stride + m->ahead);
  return inv_h2 * (next - 2 * zeta + previous) - d_psi;
}

/* zeta of x one vector on; `w` is the field there. Beyond the layer it is zero. */
PVI_INLINE PVI(vector) next_zeta(const PVI(row_end) *e, ptrdiff_t x, PVI(vector) w) {
  const ptrdiff_t i = x - e->begin;
  if (!PVI(acts)(e, x))
    return (PVI(vector)){0};
  return PVI(load)(e->b + i) * PVI(load)(e->zeta + i) + PVI(load)(e->a + i) * w;
}

/* The same for x, at the vector of cells x of the window. */
PVI_INLINE PVI(vector) memory_of_x(
    PVI(row_end) *e, ptrdiff_t x, const PVI(window) *w, real inv_h2) {
  const ptrdiff_t i = x - e->begin;
  const PVI(vector) zeta = x == e->begin ? next_zeta(e, x, w->here) : e->zeta_here;
  const PVI(vector) after = next_zeta(e, x + PVI_WIDTH, w->after);
  const PVI(vector) next = PVI(taken)(zeta, after, 1);
  const PVI(vector) previous = PVI(taken)(e->zeta_before, zeta, PVI_WIDTH - 1);
  const PVI(vector) up = PVI(taken)(w->here, w->after, 1);
  const PVI(vector) difference = (up + next) - (w->here + zeta);
  const PVI(vector) psi =
      PVI(load)(e->b_half + i) * PVI(load)(e->psi + i) - PVI(load)(e->a_half + i) * difference;
  const PVI(vector) d_psi = psi - PVI(taken)(e->psi_before, psi, PVI_WIDTH - 1);
  PVI(store)(e->psi + i, psi);
  PVI(store)(e->zeta + i, zeta);
  __builtin_prefetch(e->psi + i + e->ahead);
  __builtin_prefetch(e->zeta + i + e->ahead);
  e->psi_before = psi, e->zeta_before = zeta, e->zeta_here = after;
  return inv_h2 * (next - 2 * zeta + previous) - d_psi;
}

/* Where a row begins in each array. */
typedef struct {
  const real *p, *v;
  const real *rhs;
  real *swap, *gradient;
  PVI(memory_row) z, y;
  PVI(row_end) end[2];
} row_view;

PVI_INLINE row_view find_row(const PVI(plan) *plan, const PVI(step) *step, const PVI(strip) *k, int32_t y,
                             int correlate) {
  const PVI(geometry) *g = &plan->g;
  const ptrdiff_t at = PVI(in_field)(g, k->z, y), cell = PVI(in_cells)(g, k->z, y);
  return (row_view){
      .p = step->p + at,
      .v = plan->v + PVI(in_model)(g, k, y),
      .swap = step->swap + at,
      .rhs = correlate ? step->rhs + cell : NULL,
      .gradient = plan->gradient + cell,
      .z = PVI(find)(plan, step, 0, k->in_z, k->z, y),
      .y = PVI(find)(plan, step, 1, k->in_y, k->z, y),
      .end = {PVI(find_end)(plan, step, k->z, y, 0), PVI(find_end)(plan, step, k->z, y, 1)}};
}

/* What a copy of the loop takes part in. */
typedef struct {
  int in_z, in_y, in_x, correlate;
} part;

/* Field swap at one vector of cells after the step; all else is updated in place. */
PVI_INLINE PVI(vector) advance(const PVI(plan) *plan, const PVI(stencil) *s, row_view *r, const PVI(window) *w,
                          ptrdiff_t x, part a) {
  const PVI(geometry) *g = &plan->g;
  PVI(ask)(g, r->p + x, r->swap + x, a.in_z || a.in_y ? NULL : r->v + x);
  PVI(vector) sum = PVI(laplacian)(s, w, r->p + x);
  if (a.in_z)
    sum += memory(&r->z, x, r->p + x, g->sz, plan->inv_h2[0]);
  if (a.in_y)
    sum += memory(&r->y, x, r->p + x, g->sy, plan->inv_h2[1]);
  for (int side = 0; a.in_x && side < 2; side++) {
    if (PVI(acts)(&r->end[side], x))
      sum += memory_of_x(&r->end[side], x, w, plan->inv_h2[2]);
  }
  if (a.correlate) {
    __builtin_prefetch(r->rhs + x + PVI_AHEAD * g->row);
    __builtin_prefetch(r->gradient + x + PVI_AHEAD * g->row);
    PVI(store)(r->gradient + x, PVI(load)(r->gradient + x) + w->here * PVI(load)(r->rhs + x));
  }
  return 2 * w->here - PVI(load)(r->swap + x) + PVI(load)(r->v + x) * sum;
}

/* Whole vectors of [x, end) of a row; returns where the rest begins. */
PVI_INLINE ptrdiff_t run(const PVI(plan) *plan, const PVI(stencil) *s, row_view *r,
                         PVI(window) *w,
                         ptrdiff_t x, ptrdiff_t end, part a) {
  for (; x + PVI_WIDTH <= end; x += PVI_WIDTH) {
    w->after = PVI(load)(r->p + x + PVI_WIDTH);
    PVI(store)(r->swap + x, advance(plan, s, r, w, x, a));
    w->before = w->here;
    w->here = w->after;
  }
  return x;
}

PVI_INLINE void row(const PVI(plan) *plan, const PVI(stencil) *s, row_view *r, part a) {
  const ptrdiff_t n = plan->g.nx_loop;
  const part inside = {a.in_z, a.in_y, 0, a.correlate};
  PVI(window) w = {PVI(load)(r->p - PVI_WIDTH), PVI(load)(r->p), PVI(load)(r->p)};
  ptrdiff_t x = run(plan, s, r, &w, 0, r->end[0].end, a);
  x = run(plan, s, r, &w, x, r->end[1].begin < n ? r->end[1].begin : n, inside);
  x = run(plan, s, r, &w, x, n, a);
  if (x == n)
    return;
  w.after = PVI(load)(r->p + x + PVI_WIDTH);
  PVI(store_first)(r->swap + x, n - x, advance(plan, s, r, &w, x, a));
}

PVI_INLINE void rows(const PVI(plan) *plan, const PVI(step) *step, const PVI(strip) *k, int in_z, int in_y,
                     int correlate) {
  const PVI(stencil) s = PVI(stencil_of)(plan);
  for (int32_t y = k->y0; y < k->y1; y++) {
    row_view r = find_row(plan, step, k, y, correlate);
    row(plan, &s, &r, (part){in_z, in_y, 1, correlate});
  }
}

void PVI(adjoint_rows)(const PVI(plan) *plan, const PVI(step) *step, const PVI(strip) *k) {
  switch (4 * (step->rhs != NULL) + 2 * (k->in_z >= 0) + (k->in_y >= 0)) {
  case 0: rows(plan, step, k, 0, 0, 0); break;
  case 1: rows(plan, step, k, 0, 1, 0); break;
  case 2: rows(plan, step, k, 1, 0, 0); break;
  case 3: rows(plan, step, k, 1, 1, 0); break;
  case 4: rows(plan, step, k, 0, 0, 1); break;
  case 5: rows(plan, step, k, 0, 1, 1); break;
  case 6: rows(plan, step, k, 1, 0, 1); break;
  default: rows(plan, step, k, 1, 1, 1); break;
  }
}
