/* Leapfrog step with convolutional PML (Pasalic & McGarry 2010):
 *
 *   psi_i  = b psi_i  + a D_i p
 *   zeta_i = b zeta_i + a (D2_i p + D_i psi_i)
 *   rhs    = laplacian(p) + sum_i (D_i psi_i + zeta_i)
 *   p_next = 2 p - p_previous + c^2 dt^2 rhs
 *
 * A tile marches along z, psi_z four planes ahead, so that all it reads stays in cache. */
#include "denormals.h"
#include "forward_row.h"
#include "stencil.h"
#include "steps.h"

/* psi along a row that runs across the axis of the layer. */
static void psi_row(ptrdiff_t n, const real ab[2], const real *restrict p, ptrdiff_t s,
                    const real *d, real *restrict psi) {
  const real a = ab[0], b = ab[1], w[5] = {0, d[1], d[2], d[3], d[4]};
#pragma omp simd
  for (ptrdiff_t x = 0; x < n; x++)
    psi[x] = b * psi[x] + a * PVI(first)(p + x, s, w);
}

/* psi_z of one plane, or psi_y of one row. */
static void psi_across(const PVI(plan) *plan, const real *p, int axis, int32_t z, int32_t y) {
  const PVI(geometry) *g = &plan->g;
  const int32_t at = axis == 0 ? z : y;
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &g->slab[axis][side];
    const PVI(layer) *layer = &plan->layer[axis][side];
    if (!s->present || at < s->layer_begin || at >= s->layer_end)
      continue;
    const real ab[2] = {layer->a[at - s->begin], layer->b[at - s->begin]};
    psi_row(g->nx_loop, ab, p + PVI(in_field)(g, z, y), axis == 0 ? g->sz : g->sy, plan->d1[axis],
            layer->psi + PVI(in_slab)(s, z, y));
  }
}

/* psi_z of planes [z0, z1), all planes of a row before the next row: the rows they share
 * are still in the first-level cache. */
static void psi_planes(const PVI(plan) *plan, const PVI(tile) *t, const real *p, int32_t z0, int32_t z1) {
  for (int32_t y = t->y0; y < t->y1; y++)
    for (int32_t z = z0; z < z1; z++)
      psi_across(plan, p, 0, z, y);
}

/* What the layer of x adds to a row: whole vectors, a = b = 0 outside the layer. */
static void layer_of_x(const PVI(plan) *plan, const real *row, int32_t z, int32_t y,
                       real *restrict extra) {
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &plan->g.slab[2][side];
    const PVI(layer) *layer = &plan->layer[2][side];
    if (!s->present)
      continue;
    const real *restrict a = layer->a, *restrict b = layer->b, *restrict p = row + s->begin;
    const real *restrict psi = layer->psi + PVI(in_slab)(s, z, y);
    real *restrict zeta = layer->zeta + PVI(in_slab)(s, z, y), *to = extra + s->begin;
    const real *d = plan->d1[2], *c = plan->d2[2];
    for (int32_t first = 0; first < s->end - s->begin; first += PVI_LANES) {
#pragma omp simd
      for (int32_t lane = 0; lane < PVI_LANES; lane++) {
        const int32_t x = first + lane;
        const real d_psi = PVI(first)(psi + x, 1, d);
        const real d2_p = PVI(pairs)(p + x, 1, c) + c[0] * p[x];
        zeta[x] = b[x] * zeta[x] + a[x] * (d2_p + d_psi);
        to[x] = d_psi + zeta[x];
      }
    }
  }
}

static void psi_of_x(const PVI(plan) *plan, const real *row, int32_t z, int32_t y) {
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &plan->g.slab[2][side];
    const PVI(layer) *layer = &plan->layer[2][side];
    if (!s->present)
      continue;
    const real *restrict a = layer->a, *restrict b = layer->b, *restrict p = row + s->begin;
    real *restrict psi = layer->psi + PVI(in_slab)(s, z, y);
    const real *d = plan->d1[2];
    for (int32_t first = 0; first < s->end - s->begin; first += PVI_LANES) {
#pragma omp simd
      for (int32_t lane = 0; lane < PVI_LANES; lane++) {
        const int32_t x = first + lane;
        psi[x] = b[x] * psi[x] + a[x] * PVI(first)(p + x, 1, d);
      }
    }
  }
}

/* The layer of z or y as a row sees it: none of it, its psi only, or psi and zeta. */
static PVI(across) look_up(const PVI(plan) *plan, int axis, int32_t z, int32_t y) {
  const int32_t at = axis == 0 ? z : y;
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &plan->g.slab[axis][side];
    const PVI(layer) *layer = &plan->layer[axis][side];
    if (!s->present || at < s->begin || at >= s->end)
      continue;
    const int inside = at >= s->layer_begin && at < s->layer_end;
    return (PVI(across)){.kind = inside ? PVI_IN_LAYER : PVI_NEAR_LAYER,
                    .psi = layer->psi + PVI(in_slab)(s, z, y),
                    .zeta = layer->zeta + PVI(in_slab)(s, z, y),
                    .stride = s->cell,
                    .a = layer->a[at - s->begin],
                    .b = layer->b[at - s->begin]};
  }
  return (PVI(across)){.kind = PVI_NO_LAYER};
}

static void advance_row(const PVI(plan) *plan, const PVI(tile) *t, const PVI(step) *step, int32_t z,
                        int32_t y) {
  const ptrdiff_t at = PVI(in_field)(&plan->g, z, y);
  layer_of_x(plan, step->p + at, z, y, t->extra);
  const PVI(
      row) row = {.n = plan->g.nx_loop,
                   .p = step->p + at,
                   .swap = step->swap + at,
                   .v = plan->v + at,
                   .extra = t->extra,
                   .rhs = step->rhs ? step->rhs + PVI(in_cells)(&plan->g, z, y) : t->unused,
                   .z = look_up(plan, 0, z, y),
                   .y = look_up(plan, 1, z, y)};
  PVI(forward_row)(plan, &row);
}

void PVI(forward_tile)(const PVI(plan) *plan, const PVI(tile) *t, const PVI(step) *step) {
  const unsigned mode = pvi_flush_denormals();
  int32_t ahead = t->z0; /* planes below this have their psi_z */
  for (int32_t z0 = t->z0; z0 < t->z1; z0 += PVI_MARCH) {
    const int32_t z1 = PVI(smaller)(z0 + PVI_MARCH, t->z1);
    const int32_t wanted = PVI(smaller)(z1 + PVI_HALO, t->z1);
    psi_planes(plan, t, step->p, ahead, wanted);
    ahead = wanted;
    for (int32_t z = z0; z < z1; z++) {
      for (int32_t y = t->y0; y < t->y1; y++) {
        psi_across(plan, step->p, 1, z, y);
        psi_of_x(plan, step->p + PVI(in_field)(&plan->g, z, y), z, y);
      }
    }
    for (int32_t y = t->y0; y < t->y1; y++)
      for (int32_t z = z0; z < z1; z++)
        advance_row(plan, t, step, z, y);
  }
  pvi_restore_denormals(mode);
}
