/* Leapfrog step with convolutional PML (Pasalic & McGarry 2010), its derivatives of order 2 and
 * psi half a cell on; psi is stored over the spacing, so that its derivative is a difference:
 *
 *   psi    = b psi  + a (p[+1] - p) / h^2
 *   zeta   = b zeta + a ((p[+1] - 2 p + p[-1]) / h^2 + psi - psi[-1])
 *   rhs    = laplacian(p) + sum over axes of (psi - psi[-1] + zeta)
 *   p_next = 2 p - p_previous + c^2 dt^2 rhs
 *
 * Flags are constants in each copy the compiler makes: rows inside the box carry nothing of
 * the layers of z and y, nor does the middle of a row of that of x. */
#include "rows.h"
#include "stencil.h"

/* What one axis of the layer adds at element x; `p` points to it, `step` to the next. */
PVI_INLINE PVI(vector) memory(const PVI(memory_row) *m, ptrdiff_t x, const real *p, ptrdiff_t step,
                         real inv_h2) {
  const PVI(vector) here = PVI(load)(p), up = PVI(load)(p + step), down = PVI(load)(p - step);
  const PVI(vector) psi = m->b_half * PVI(load)(m->psi + x) + m->a_half * (up - here);
  const PVI(vector) d_psi = psi - PVI(load)(m->psi + x - m->stride);
  const PVI(vector) d2 = inv_h2 * (up - 2 * here + down);
  const PVI(vector) zeta = m->b * PVI(load)(m->zeta + x) + m->a * (d2 + d_psi);
  PVI(store)(m->psi + x, psi);
  PVI(store)(m->zeta + x, zeta);
  __builtin_prefetch(m->psi + x + m->ahead);
  __builtin_prefetch(m->zeta + x + m->ahead);
  return d_psi + zeta;
}

/* The same for x, at the vector of cells x of the window. */
PVI_INLINE PVI(vector) memory_of_x(
    PVI(row_end) *e, ptrdiff_t x, const PVI(window) *w, real inv_h2) {
  const ptrdiff_t i = x - e->begin;
  const PVI(vector) up = PVI(taken)(w->here, w->after, 1);
  const PVI(vector) down = PVI(taken)(w->before, w->here, PVI_WIDTH - 1);
  const PVI(vector) psi = PVI(load)(e->b_half + i) * PVI(load)(e->psi + i) +
                          PVI(load)(e->a_half + i) * (up - w->here);
  const PVI(vector) d_psi = psi - PVI(taken)(e->psi_before, psi, PVI_WIDTH - 1);
  const PVI(vector) d2 = inv_h2 * (up - 2 * w->here + down);
  const PVI(vector) zeta =
      PVI(load)(e->b + i) * PVI(load)(e->zeta + i) + PVI(load)(e->a + i) * (d2 + d_psi);
  PVI(store)(e->psi + i, psi);
  PVI(store)(e->zeta + i, zeta);
  __builtin_prefetch(e->psi + i + e->ahead);
  __builtin_prefetch(e->zeta + i + e->ahead);
  e->psi_before = psi;
  return d_psi + zeta;
}

/* Where a row begins in each array. */
typedef struct {
  const real *p, *v;
  real *swap, *rhs;
  PVI(memory_row) z, y;
  PVI(row_end) end[2];
} row_view;

PVI_INLINE row_view find_row(const PVI(plan) *plan, const PVI(step) *step, const PVI(strip) *k, int32_t y,
                             int store) {
  const PVI(geometry) *g = &plan->g;
  const ptrdiff_t at = PVI(in_field)(g, k->z, y), cell = PVI(in_cells)(g, k->z, y);
  return (row_view){
      .p = step->p + at,
      .v = plan->v + PVI(in_model)(g, k, y),
      .swap = step->swap + at,
      .rhs = store ? step->rhs + cell : NULL,
      .z = PVI(find)(plan, step, 0, k->in_z, k->z, y),
      .y = PVI(find)(plan, step, 1, k->in_y, k->z, y),
      .end = {PVI(find_end)(plan, step, k->z, y, 0), PVI(find_end)(plan, step, k->z, y, 1)}};
}

/* What a copy of the loop takes part in. */
typedef struct {
  int in_z, in_y, in_x, store;
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
  if (a.store)
    PVI(store)(r->rhs + x, sum);
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
  const part inside = {a.in_z, a.in_y, 0, a.store};
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
                     int store) {
  const PVI(stencil) s = PVI(stencil_of)(plan);
  for (int32_t y = k->y0; y < k->y1; y++) {
    row_view r = find_row(plan, step, k, y, store);
    row(plan, &s, &r, (part){in_z, in_y, 1, store});
  }
}

void PVI(forward_rows)(const PVI(plan) *plan, const PVI(step) *step, const PVI(strip) *k) {
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
