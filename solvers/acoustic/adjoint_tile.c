/* The transpose of the forward step, with w = c^2 dt^2 times the adjoint of p:
 *
 *   zeta_i = b zeta_i + a w                    (a times the adjoint of zeta)
 *   psi_i  = b psi_i  - a D_i (w + zeta_i)     (a times the adjoint of psi)
 *   w_prev = 2 w - w_next + c^2 dt^2 (laplacian(w) + sum_i (D2_i zeta_i - D_i psi_i))
 *
 * zeta_z runs eight planes ahead, psi_z four. */
#include "adjoint_row.h"
#include "denormals.h"
#include "stencil.h"
#include "steps.h"

typedef enum { ZETA, PSI } PVI(memory_kind);

static void zeta_row(ptrdiff_t n, real a, real b, const real *restrict w, real *restrict zeta) {
#pragma omp simd
  for (ptrdiff_t x = 0; x < n; x++)
    zeta[x] = b * zeta[x] + a * w[x];
}

typedef struct {
  ptrdiff_t n, w_stride, stride;
  real a, b;
  const real *d;
} psi_shape;

static void psi_row(const psi_shape *at, const real *restrict w, const real *restrict zeta,
                    real *restrict psi) {
  const real a = at->a, b = at->b, d[5] = {0, at->d[1], at->d[2], at->d[3], at->d[4]};
  const ptrdiff_t n = at->n, sw = at->w_stride, s = at->stride;
#pragma omp simd
  for (ptrdiff_t x = 0; x < n; x++) {
    psi[x] = b * psi[x] - a * (PVI(first)(w + x, sw, d) + PVI(first)(zeta + x, s, d));
  }
}

/* zeta or psi of z or y along one row. */
static void across(const PVI(plan) *plan, const real *w, int axis, const int32_t at[2],
                   PVI(memory_kind) kind) {
  const PVI(geometry) *g = &plan->g;
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &g->slab[axis][side];
    const PVI(layer) *layer = &plan->layer[axis][side];
    if (!s->present || at[axis] < s->layer_begin || at[axis] >= s->layer_end)
      continue;
    const ptrdiff_t row = PVI(in_slab)(s, at[0], at[1]), i = at[axis] - s->begin;
    const real *here = w + PVI(in_field)(g, at[0], at[1]);
    if (kind == ZETA) {
      zeta_row(g->nx_loop, layer->a[i], layer->b[i], here, layer->zeta + row);
    } else {
      const psi_shape shape = {g->nx_loop,  axis == 0 ? g->sz : g->sy,
                               s->cell,     layer->a[i],
                               layer->b[i], plan->d1[axis]};
      psi_row(&shape, here, layer->zeta + row, layer->psi + row);
    }
  }
}

/* zeta or psi of z in planes [z0, z1), row by row. */
static void planes(const PVI(plan) *plan, const PVI(tile) *t, const real *w, const int32_t range[2],
                   PVI(memory_kind) kind) {
  for (int32_t y = t->y0; y < t->y1; y++) {
    for (int32_t z = range[0]; z < range[1]; z++) {
      const int32_t at[2] = {z, y};
      across(plan, w, 0, at, kind);
    }
  }
}

/* zeta or psi of x in one row; whole vectors, a = b = 0 outside the layer. */
static void of_x(const PVI(plan) *plan, const real *row, const int32_t at[2],
                 PVI(memory_kind) kind) {
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &plan->g.slab[2][side];
    const PVI(layer) *layer = &plan->layer[2][side];
    if (!s->present)
      continue;
    const real *restrict a = layer->a, *restrict b = layer->b, *restrict w = row + s->begin;
    const ptrdiff_t in_slab = PVI(in_slab)(s, at[0], at[1]);
    real *restrict zeta = layer->zeta + in_slab, *restrict psi = layer->psi + in_slab;
    const real *d = plan->d1[2];
    for (int32_t first = 0; first < s->end - s->begin; first += PVI_LANES) {
      if (kind == ZETA) {
#pragma omp simd
        for (int32_t x = first; x < first + PVI_LANES; x++) {
          zeta[x] = b[x] * zeta[x] + a[x] * w[x];
        }
      } else {
#pragma omp simd
        for (int32_t x = first; x < first + PVI_LANES; x++) {
          psi[x] = b[x] * psi[x] - a[x] * (PVI(first)(w + x, 1, d) +
                                           PVI(first)(zeta + x, 1, d));
        }
      }
    }
  }
}

static void layer_of_x(const PVI(plan) *plan, const int32_t at[2], real *restrict extra) {
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &plan->g.slab[2][side];
    if (!s->present)
      continue;
    const ptrdiff_t in_slab = PVI(in_slab)(s, at[0], at[1]);
    const real *restrict zeta = plan->layer[2][side].zeta + in_slab;
    const real *restrict psi = plan->layer[2][side].psi + in_slab;
    const real *d = plan->d1[2], *c = plan->d2[2];
    real *to = extra + s->begin;
    for (int32_t first = 0; first < s->end - s->begin; first += PVI_LANES) {
#pragma omp simd
      for (int32_t x = first; x < first + PVI_LANES; x++) {
        to[x] = PVI(pairs)(zeta + x, 1, c) + c[0] * zeta[x] - PVI(first)(psi + x, 1, d);
      }
    }
  }
}

static PVI(adjoint_across) look_up(const PVI(plan) *plan, int axis, const int32_t at[2]) {
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &plan->g.slab[axis][side];
    if (!s->present || at[axis] < s->begin || at[axis] >= s->end)
      continue;
    const ptrdiff_t row = PVI(in_slab)(s, at[0], at[1]);
    return (PVI(adjoint_across)){plan->layer[axis][side].psi + row,
                            plan->layer[axis][side].zeta + row, s->cell};
  }
  return (PVI(adjoint_across)){0};
}

static void layer_of_plane(const PVI(plan) *plan, const PVI(tile) *t, const real *w, int32_t z) {
  for (int kind = ZETA; kind <= PSI; kind++) {
    for (int32_t y = t->y0; y < t->y1; y++) {
      const int32_t at[2] = {z, y};
      across(plan, w, 1, at, (PVI(memory_kind))kind);
      of_x(plan, w + PVI(in_field)(&plan->g, z, y), at, (PVI(memory_kind))kind);
    }
  }
}

static void retreat_row(const PVI(plan) *plan, const PVI(tile) *t, const PVI(step) *step,
                        const int32_t where[2]) {
  const ptrdiff_t at = PVI(in_field)(&plan->g, where[0], where[1]);
  const ptrdiff_t cell = PVI(in_cells)(&plan->g, where[0], where[1]);
  layer_of_x(plan, where, t->extra);
  const PVI(adjoint_row_data) row = {.n = plan->g.nx_loop,
                                .p = step->p + at,
                                .swap = step->swap + at,
                                .v = plan->v + at,
                                .extra = t->extra,
                                .rhs = step->rhs + cell,
                                .gradient = plan->gradient + cell,
                                .z = look_up(plan, 0, where),
                                .y = look_up(plan, 1, where)};
  PVI(adjoint_row)(plan, &row);
}

/* Bring zeta_z or psi_z up to plane `to`; `done` is how far it was. */
static void reach(const PVI(plan) *plan, const PVI(tile) *t, const real *w, int32_t to,
                  PVI(memory_kind) kind,
                  int32_t *done) {
  const int32_t range[2] = {*done, PVI(smaller)(to, t->z1)};
  planes(plan, t, w, range, kind);
  *done = range[1];
}

void PVI(adjoint_tile)(const PVI(plan) *plan, const PVI(tile) *t, const PVI(step) *step) {
  const unsigned mode = pvi_flush_denormals();
  int32_t zeta = t->z0, psi = t->z0;
  for (int32_t z0 = t->z0; z0 < t->z1; z0 += PVI_MARCH) {
    const int32_t z1 = PVI(smaller)(z0 + PVI_MARCH, t->z1);
    reach(plan, t, step->p, z1 + 2 * PVI_HALO, ZETA, &zeta);
    reach(plan, t, step->p, z1 + PVI_HALO, PSI, &psi);
    for (int32_t z = z0; z < z1; z++)
      layer_of_plane(plan, t, step->p, z);
    for (int32_t y = t->y0; y < t->y1; y++) {
      for (int32_t z = z0; z < z1; z++) {
        const int32_t where[2] = {z, y};
        retreat_row(plan, t, step, where);
      }
    }
  }
  pvi_restore_denormals(mode);
}
