/* Leapfrog step with convolutional PML (Pasalic & McGarry 2010), its derivatives of order 2 and
 * psi half a cell on; psi is stored over the spacing, so that its derivative is a difference:
 *
 *   psi    = b psi  + a (p[+1] - p) / h^2
 *   zeta   = b zeta + a ((p[+1] - 2 p + p[-1]) / h^2 + psi - psi[-1])
 *   rhs    = laplacian(p) + sum over axes of (psi - psi[-1] + zeta)
 *   p_next = 2 p - p_previous + c^2 dt^2 rhs
 *
 * Flags are constants in each copy the compiler makes: rows inside the box carry nothing of
 * the layers of z and y; that of x is done at the row ends. */
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

/* psi of x at the ends of a row. */
static inline void psi_of_x(const PVI(plan) *plan, const PVI(step) *step, int32_t z, int32_t y) {
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &plan->g.slab[2][side];
    const PVI(damping) *d = &plan->damping[2][side];
    if (!s->present)
      continue;
    const real *restrict p = step->p + PVI(in_field)(&plan->g, z, y) + s->begin;
    real *restrict psi = step->wave->layer[2][side].psi + PVI(in_slab)(s, z, y);
    const real *restrict a = d->a_half, *restrict b = d->b_half;
    const ptrdiff_t n = s->end - s->begin;
    for (ptrdiff_t first = 0; first < n; first += PVI_LANES) {
#pragma omp simd
      for (ptrdiff_t x = first; x < first + PVI_LANES; x++)
        psi[x] = b[x] * psi[x] + a[x] * (p[x + 1] - p[x]);
    }
  }
}

/* What the layer of x adds at the ends of a row that is otherwise done. */
static inline void add_x(const PVI(plan) *plan, const PVI(step) *step, const PVI(strip) *k, int32_t y) {
  const real inv_h2 = plan->inv_h2[2];
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &plan->g.slab[2][side];
    const PVI(damping) *d = &plan->damping[2][side];
    if (!s->present)
      continue;
    const ptrdiff_t at = PVI(in_field)(&plan->g, k->z, y) + s->begin;
    const ptrdiff_t row = PVI(in_slab)(s, k->z, y), n = s->end - s->begin;
    const real *restrict p = step->p + at;
    const real *restrict v = plan->v + PVI(in_model)(&plan->g, k, y) + s->begin;
    const real *restrict psi = step->wave->layer[2][side].psi + row;
    real *restrict zeta = step->wave->layer[2][side].zeta + row, *restrict swap =
                                                                     step->swap + at;
    real *rhs = step->rhs ? step->rhs + PVI(in_cells)(&plan->g, k->z, y) + s->begin : NULL;
    const real *restrict a = d->a, *restrict b = d->b;
    for (ptrdiff_t first = 0; first < n; first += PVI_LANES) {
      real added[PVI_LANES];
#pragma omp simd
      for (ptrdiff_t i = 0; i < PVI_LANES; i++) {
        const ptrdiff_t x = first + i;
        const real d_psi = psi[x] - psi[x - 1];
        zeta[x] = b[x] * zeta[x] + a[x] * (inv_h2 * (p[x + 1] - 2 * p[x] + p[x - 1]) + d_psi);
        added[i] = d_psi + zeta[x];
        swap[x] += v[x] * added[i];
      }
#pragma omp simd
      for (ptrdiff_t i = 0; i < PVI_LANES; i++) {
        if (rhs)
          rhs[first + i] += added[i];
      }
    }
  }
}

/* Where a row begins in each array. */
typedef struct {
  const real *p, *v;
  real *swap, *rhs;
  PVI(memory_row) z, y;
} row_view;

PVI_INLINE row_view find_row(const PVI(plan) *plan, const PVI(step) *step, const PVI(strip) *k, int32_t y,
                             int store) {
  const PVI(geometry) *g = &plan->g;
  const ptrdiff_t at = PVI(in_field)(g, k->z, y), cell = PVI(in_cells)(g, k->z, y);
  return (row_view){.p = step->p + at,
                    .v = plan->v + PVI(in_model)(g, k, y),
                    .swap = step->swap + at,
                    .rhs = store ? step->rhs + cell : NULL,
                    .z = PVI(find)(plan, step, 0, k->in_z, k->z, y),
                    .y = PVI(find)(plan, step, 1, k->in_y, k->z, y)};
}

/* Field swap at one vector of cells after the step; all else is updated in place. */
PVI_INLINE PVI(vector) advance(const PVI(plan) *plan, const PVI(stencil) *s, const row_view *r,
                          const PVI(window) *w, ptrdiff_t x, int in_z, int in_y, int store) {
  const PVI(geometry) *g = &plan->g;
  PVI(ask)(g, r->p + x, r->swap + x, in_z || in_y ? NULL : r->v + x);
  PVI(vector) sum = PVI(laplacian)(s, w, r->p + x);
  if (in_z)
    sum += memory(&r->z, x, r->p + x, g->sz, plan->inv_h2[0]);
  if (in_y)
    sum += memory(&r->y, x, r->p + x, g->sy, plan->inv_h2[1]);
  if (store)
    PVI(store)(r->rhs + x, sum);
  return 2 * w->here - PVI(load)(r->swap + x) + PVI(load)(r->v + x) * sum;
}

PVI_INLINE void row(const PVI(plan) *plan, const PVI(stencil) *s, const row_view *r, int in_z, int in_y,
                    int store) {
  const ptrdiff_t n = plan->g.nx_loop, whole = n / PVI_WIDTH * PVI_WIDTH;
  PVI(window) w = {PVI(load)(r->p - PVI_WIDTH), PVI(load)(r->p), PVI(load)(r->p)};
  for (ptrdiff_t x = 0; x < whole; x += PVI_WIDTH) {
    w.after = PVI(load)(r->p + x + PVI_WIDTH);
    PVI(store)(r->swap + x, advance(plan, s, r, &w, x, in_z, in_y, store));
    w.before = w.here;
    w.here = w.after;
  }
  if (whole == n)
    return;
  w.after = PVI(load)(r->p + whole + PVI_WIDTH);
  PVI(store_first)(r->swap + whole, n - whole, advance(plan, s, r, &w, whole, in_z, in_y, store));
}

PVI_INLINE void rows(const PVI(plan) *plan, const PVI(step) *step, const PVI(strip) *k, int in_z, int in_y,
                     int store) {
  const PVI(stencil) s = PVI(stencil_of)(plan);
  for (int32_t y = k->y0; y < k->y1; y++) {
    psi_of_x(plan, step, k->z, y);
    const row_view r = find_row(plan, step, k, y, store);
    row(plan, &s, &r, in_z, in_y, store);
    add_x(plan, step, k, y);
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
