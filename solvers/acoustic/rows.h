/* Rows of one plane that see the layer alike: the unit of the kernels. */
#pragma once
#include "stencil.h"
#include "steps.h"

/* Rows a kernel asks for in advance. Reaching beyond an array is harmless. */
enum { PVI_AHEAD = 2 };

typedef struct {
  int32_t z, y0, y1;
  int in_z, in_y; /* which side of the layer of an axis acts on them; -1: none */
} PVI(strip);

/* The whole step of a strip. */
typedef void
    PVI(row_kernel)(const PVI(plan) *plan, const PVI(step) *step, const PVI(strip) *strip);
PVI(row_kernel)
PVI(forward_rows), PVI(adjoint_rows);

/* Call `kernel` for all rows of a tile, planes from top to bottom, rows in memory order. */
void PVI(march)(const PVI(plan) *plan, const PVI(tile) *tile, const PVI(step) *step,
                PVI(row_kernel) *kernel);

/* One axis of the layer in one row, z or y. */
typedef struct {
  real *psi, *zeta;
  ptrdiff_t stride, ahead; /* to the next cell along the axis, to a later row */
  real a, b, a_next, b_next, a_half, b_half; /* damping at this cell and the next */
} PVI(memory_row);

static inline PVI(memory_row)
    PVI(find)(const PVI(plan) *plan, const PVI(step) *step, int axis, int side, int32_t z,
                              int32_t y) {
  if (side < 0)
    return (PVI(memory_row)){0};
  const PVI(slab) *s = &plan->g.slab[axis][side];
  const PVI(damping) *d = &plan->damping[axis][side];
  const PVI(layer) *layer = &step->wave->layer[axis][side];
  const ptrdiff_t row = PVI(in_slab)(s, z, y), i = (axis == 0 ? z : y) - s->begin;
  return (PVI(memory_row)){layer->psi + row, layer->zeta + row, s->cell,     PVI_AHEAD * s->sy,
                      d->a[i],          d->b[i],           d->a[i + 1], d->b[i + 1],
                      d->a_half[i],     d->b_half[i]};
}

/* One side of the layer of x in one row; vectors go from left to right. */
typedef struct {
  const real *a, *b, *a_half, *b_half;
  real *psi, *zeta;
  ptrdiff_t begin, end;                      /* whole vectors of cells */
  ptrdiff_t ahead;
  PVI(vector) psi_before, zeta_before, zeta_here; /* at the vector before, and the next */
} PVI(row_end);

static inline PVI(row_end)
    PVI(find_end)(const PVI(plan) *plan, const PVI(step) *step, int32_t z, int32_t y,
                               int side) {
  const PVI(slab) *s = &plan->g.slab[2][side];
  const PVI(damping) *d = &plan->damping[2][side];
  const PVI(layer) *layer = &step->wave->layer[2][side];
  if (!s->present) /* no vector is in it */
    return (PVI(row_end)){.begin = side ? plan->g.row : 0, .end = side ? plan->g.row : 0};
  const ptrdiff_t row = PVI(in_slab)(s, z, y);
  return (PVI(row_end)){.a = d->a,
                   .b = d->b,
                   .a_half = d->a_half,
                   .b_half = d->b_half,
                   .psi = layer->psi + row,
                   .zeta = layer->zeta + row,
                   .begin = s->begin,
                   .end = s->end,
                   .ahead = PVI_AHEAD * s->sy};
}

PVI_INLINE int PVI(acts)(const PVI(row_end) *e, ptrdiff_t x) { return x >= e->begin && x < e->end; }

/* In the layer of z and y the model repeats the row next to it, which is in cache. */
static inline ptrdiff_t PVI(in_model)(const PVI(geometry) *g, const PVI(strip) *k, int32_t y) {
  const int32_t z = k->in_z < 0 ? k->z : PVI(edge)(&g->slab[0][k->in_z], k->in_z);
  return PVI(in_field)(g, z, k->in_y < 0 ? y : PVI(edge)(&g->slab[1][k->in_y], k->in_y));
}

PVI_INLINE PVI(stencil) PVI(stencil_of)(const PVI(plan) *plan) {
  PVI(stencil) s = {.stride = {plan->g.sz, plan->g.sy}};
  for (int axis = 0; axis < 3; axis++) {
    for (int k = 0; k <= PVI_HALO; k++)
      s.weight[axis][k] = plan->d2[axis][k];
    s.centre += plan->d2[axis][0];
  }
  return s;
}

/* Ask for a vector of a later row of what a step reads; in the layer the model is in cache. */
PVI_INLINE void
PVI(ask)(const PVI(geometry) *g, const real *p, const real *swap, const real *v) {
  __builtin_prefetch(p + PVI_HALO * g->sz + PVI_AHEAD * g->sy);
  __builtin_prefetch(swap + PVI_AHEAD * g->sy);
  if (v)
    __builtin_prefetch(v + PVI_AHEAD * g->sy);
}

/* Store the first n cells only: beyond them a neighbour's cells may arrive. */
static inline void PVI(store_first)(real *row, ptrdiff_t n, PVI(vector) value) {
  for (int i = 0; i < n; i++)
    row[i] = value[i];
}
