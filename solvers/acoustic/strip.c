#include "rows.h"

/* Rows of memory variables that are asked for in advance. */
enum { AHEAD = 2 };

/* Where a strip is: at one row of each of its planes. */
typedef struct {
  PVI(row) row[PVI_PLANES];
  PVI(memory_row) z[PVI_PLANES], y[PVI_PLANES], x[PVI_PLANES][2];
} place;

static PVI(memory_row) memory_row(const PVI(plan) *plan, const PVI(step) *step, int axis, int side, int32_t z,
                             int32_t y) {
  const PVI(slab) *s = &plan->g.slab[axis][side];
  const PVI(damping) *d = &plan->damping[axis][side];
  const PVI(layer) *layer = &step->wave->layer[axis][side];
  const ptrdiff_t row = PVI(in_slab)(s, z, y);
  const ptrdiff_t i = axis == 2 ? 0 : (axis == 0 ? z : y) - s->begin;
  const ptrdiff_t steps[3] = {plan->g.sz, plan->g.sy, 1};
  return (PVI(memory_row)){.psi = layer->psi + row,
                      .zeta = layer->zeta + row,
                      .cell = s->cell,
                      .ahead = AHEAD * s->sy,
                      .step = steps[axis],
                      .a = d->a + i,
                      .b = d->b + i,
                      .a_half = d->a_half + i,
                      .b_half = d->b_half + i,
                      .inv_h2 = plan->inv_h2[axis],
                      .begin = s->begin,
                      .end = s->end};
}

/* In the layer of z and y the model repeats the row next to it, which is in cache. */
static ptrdiff_t in_model(const PVI(geometry) *g, int in_z, int in_y, int32_t z, int32_t y) {
  return PVI(in_field)(g, in_z < 0 ? z : PVI(edge)(&g->slab[0][in_z], in_z),
                  in_y < 0 ? y : PVI(edge)(&g->slab[1][in_y], in_y));
}

/* The first row of a strip. */
static place begin(const PVI(plan) *plan, const PVI(step) *step, const PVI(strip) *k) {
  const PVI(geometry) *g = &plan->g;
  place at = {0};
  for (int32_t i = 0; i < k->n_z; i++) {
    const int32_t z = k->z + i, y = k->y0;
    const ptrdiff_t field = PVI(in_field)(g, z, y), cell = PVI(in_cells)(g, z, y);
    at.row[i] = (PVI(row)){.p = step->p + field,
                      .v = plan->v + in_model(g, k->in_z[i], k->in_y, z, y),
                      .swap = step->swap + field,
                      .rhs = step->rhs ? step->rhs + cell : NULL,
                      .gradient = plan->gradient + cell,
                      .kept = step->kept ? step->kept + cell : NULL,
                      .n = g->row};
    if (k->in_z[i] >= 0)
      at.z[i] = memory_row(plan, step, 0, k->in_z[i], z, y);
    if (k->in_y >= 0)
      at.y[i] = memory_row(plan, step, 1, k->in_y, z, y);
    for (int side = 0; side < 2; side++) {
      if (g->slab[2][side].present)
        at.x[i][side] = memory_row(plan, step, 2, side, z, y);
    }
  }
  return at;
}

static void next_memory(PVI(memory_row) *m, ptrdiff_t pitch, int next_cell) {
  m->psi += pitch, m->zeta += pitch;
  m->a += next_cell, m->b += next_cell, m->a_half += next_cell, m->b_half += next_cell;
}

/* One row on. In the layer of y the row of the model stays. */
static void next(const PVI(plan) *plan, const PVI(strip) *k, place *at) {
  const PVI(geometry) *g = &plan->g;
  for (int32_t i = 0; i < k->n_z; i++) {
    PVI(row) *r = &at->row[i];
    r->p += g->sy, r->swap += g->sy;
    r->v += k->in_y < 0 ? g->sy : 0;
    r->gradient += g->row;
    r->rhs += r->rhs ? g->row : 0;
    r->kept += r->kept ? g->row : 0;
    if (k->in_z[i] >= 0)
      next_memory(&at->z[i], g->slab[0][k->in_z[i]].sy, 0);
    if (k->in_y >= 0)
      next_memory(&at->y[i], g->slab[1][k->in_y].sy, 1);
    next_memory(&at->x[i][0], g->slab[2][0].sy, 0);
    next_memory(&at->x[i][1], g->slab[2][1].sy, 0);
  }
}

void PVI(rows)(const PVI(plan) *plan, const PVI(step) *step, const PVI(strip) *k) {
  const PVI(layer_kernels) *layer = step->adjoint ? &PVI(adjoint_layer) : &PVI(forward_layer);
  place at = begin(plan, step, k);
  for (int32_t y = k->y0; y < k->y1; y++, next(plan, k, &at)) {
    PVI(leapfrog)(plan, at.row, k->n_z);
    for (int32_t i = 0; i < k->n_z; i++) {
      if (k->in_z[i] >= 0)
        layer->along(&at.z[i], &at.row[i]);
      if (k->in_y >= 0)
        layer->along(&at.y[i], &at.row[i]);
      layer->end(&at.x[i][0], &at.row[i]);
      layer->end(&at.x[i][1], &at.row[i]);
    }
  }
}
