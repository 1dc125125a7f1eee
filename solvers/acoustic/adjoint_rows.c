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

/* One side of the layer of x in one row. */
typedef struct {
  const real *w, *v, *a, *b, *a_half, *b_half, *inv_h2;
  real *psi, *zeta, *swap;
  ptrdiff_t n;
} row_end;

static inline row_end find_end(const PVI(plan) *plan, const PVI(step) *step, const PVI(strip) *k, int32_t y,
                               int side) {
  const PVI(slab) *s = &plan->g.slab[2][side];
  const PVI(damping) *d = &plan->damping[2][side];
  const PVI(layer) *layer = &step->wave->layer[2][side];
  if (!s->present)
    return (row_end){0};
  const ptrdiff_t at = PVI(in_field)(&plan->g, k->z, y) + s->begin;
  const ptrdiff_t row = PVI(in_slab)(s, k->z, y);
  const real *v = plan->v + PVI(in_model)(&plan->g, k, y) + s->begin;
  return (row_end){step->p + at,
                   v,
                   d->a,
                   d->b,
                   d->a_half,
                   d->b_half,
                   d->inv_h2,
                   layer->psi + row,
                   layer->zeta + row,
                   step->swap + at,
                   s->end - s->begin};
}

static inline void zeta_of_x(const row_end *e) {
  const real *restrict w = e->w, *restrict a = e->a, *restrict b = e->b;
  real *restrict zeta = e->zeta;
  for (ptrdiff_t first = 0; first < e->n; first += PVI_LANES) {
#pragma omp simd
    for (ptrdiff_t x = first; x < first + PVI_LANES; x++)
      zeta[x] = b[x] * zeta[x] + a[x] * w[x];
  }
}

static inline void psi_of_x(const row_end *e) {
  const real *restrict w = e->w, *restrict a = e->a_half, *restrict b = e->b_half;
  const real *restrict zeta = e->zeta;
  real *restrict psi = e->psi;
  for (ptrdiff_t first = 0; first < e->n; first += PVI_LANES) {
#pragma omp simd
    for (ptrdiff_t x = first; x < first + PVI_LANES; x++)
      psi[x] = b[x] * psi[x] - a[x] * (w[x + 1] + zeta[x + 1] - w[x] - zeta[x]);
  }
}

static inline void add_x(const row_end *e) {
  const real *restrict zeta = e->zeta, *restrict psi = e->psi, *restrict v = e->v;
  const real *restrict inv_h2 = e->inv_h2;
  real *restrict swap = e->swap;
  for (ptrdiff_t first = 0; first < e->n; first += PVI_LANES) {
#pragma omp simd
    for (ptrdiff_t x = first; x < first + PVI_LANES; x++) {
      const real d2_zeta = inv_h2[x] * (zeta[x + 1] - 2 * zeta[x] + zeta[x - 1]);
      swap[x] += v[x] * (d2_zeta - (psi[x] - psi[x - 1]));
    }
  }
}

/* Where a row begins in each array. */
typedef struct {
  const real *p, *v;
  const real *rhs;
  real *swap, *gradient;
  PVI(memory_row) z, y;
} row_view;

PVI_INLINE row_view find_row(const PVI(plan) *plan, const PVI(step) *step, const PVI(strip) *k, int32_t y,
                             int correlate) {
  const PVI(geometry) *g = &plan->g;
  const ptrdiff_t at = PVI(in_field)(g, k->z, y), cell = PVI(in_cells)(g, k->z, y);
  return (row_view){.p = step->p + at,
                    .v = plan->v + PVI(in_model)(g, k, y),
                    .swap = step->swap + at,
                    .rhs = correlate ? step->rhs + cell : NULL,
                    .gradient = plan->gradient + cell,
                    .z = PVI(find)(plan, step, 0, k->in_z, k->z, y),
                    .y = PVI(find)(plan, step, 1, k->in_y, k->z, y)};
}

/* Field swap at one vector of cells after the step; all else is updated in place. */
PVI_INLINE PVI(vector) advance(const PVI(plan) *plan, const PVI(stencil) *s, const row_view *r,
                          const PVI(window) *w, ptrdiff_t x, int in_z, int in_y, int correlate) {
  const PVI(geometry) *g = &plan->g;
  PVI(ask)(g, r->p + x, r->swap + x, in_z || in_y ? NULL : r->v + x);
  PVI(vector) sum = PVI(laplacian)(s, w, r->p + x);
  if (in_z)
    sum += memory(&r->z, x, r->p + x, g->sz, plan->inv_h2[0]);
  if (in_y)
    sum += memory(&r->y, x, r->p + x, g->sy, plan->inv_h2[1]);
  if (correlate) {
    __builtin_prefetch(r->rhs + x + PVI_AHEAD * g->row);
    __builtin_prefetch(r->gradient + x + PVI_AHEAD * g->row);
    PVI(store)(r->gradient + x, PVI(load)(r->gradient + x) + w->here * PVI(load)(r->rhs + x));
  }
  return 2 * w->here - PVI(load)(r->swap + x) + PVI(load)(r->v + x) * sum;
}

PVI_INLINE void row(const PVI(plan) *plan, const PVI(stencil) *s, const row_view *r, int in_z, int in_y,
                    int correlate) {
  const ptrdiff_t n = plan->g.nx_loop, whole = n / PVI_WIDTH * PVI_WIDTH;
  PVI(window) w = {PVI(load)(r->p - PVI_WIDTH), PVI(load)(r->p), PVI(load)(r->p)};
  for (ptrdiff_t x = 0; x < whole; x += PVI_WIDTH) {
    w.after = PVI(load)(r->p + x + PVI_WIDTH);
    PVI(store)(r->swap + x, advance(plan, s, r, &w, x, in_z, in_y, correlate));
    w.before = w.here;
    w.here = w.after;
  }
  if (whole == n)
    return;
  w.after = PVI(load)(r->p + whole + PVI_WIDTH);
  PVI(store_first)(r->swap + whole, n - whole,
              advance(plan, s, r, &w, whole, in_z, in_y, correlate));
}

PVI_INLINE void rows(const PVI(plan) *plan, const PVI(step) *step, const PVI(strip) *k, int in_z, int in_y,
                     int correlate) {
  const PVI(stencil) s = PVI(stencil_of)(plan);
  for (int32_t y = k->y0; y < k->y1; y++) {
    const row_end left = find_end(plan, step, k, y, 0), right = find_end(plan, step, k, y, 1);
    zeta_of_x(&left), zeta_of_x(&right);
    const row_view r = find_row(plan, step, k, y, correlate);
    row(plan, &s, &r, in_z, in_y, correlate);
    psi_of_x(&left), psi_of_x(&right);
    add_x(&left), add_x(&right);
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
