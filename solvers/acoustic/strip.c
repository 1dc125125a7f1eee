/* Pointers into all arrays are found once for a strip, and moved on from row to row. */
#include "strip.h"

/* Rows of memory variables that are asked for in advance. */
enum { AHEAD = 2 };

/* The place of a strip: one row of each of its planes, in all arrays. */
struct place {
  struct row row[PLANES];
  struct memory_row z[PLANES], y[PLANES], x[PLANES][2];
};

static struct memory_row memory_row_at(const struct update *u, int axis, int side, int32_t z,
                                       int32_t y) {
  const struct slab *s = &u->g->slab[axis][side];
  const struct damping *d = &u->equation->damping[axis][side];
  const struct layer *layer = &u->wave->layer[axis][side];
  const ptrdiff_t row = in_slab(s, z, y);
  const ptrdiff_t i = axis == 2 ? 0 : (axis == 0 ? z : y) - s->begin;
  const ptrdiff_t steps[3] = {u->g->sz, u->g->sy, 1};
  return (struct memory_row){
      .psi = layer->psi + row,
      .zeta = layer->zeta + row,
      .cell = s->cell,
      .ahead = AHEAD * s->sy,
      .step = steps[axis],
      .a = d->a + i,
      .b = d->b + i,
      .a_half = d->a_half + i,
      .b_half = d->b_half + i,
      .inv_h2 = u->equation->inv_h2[axis],
      .begin = s->begin,
      .end = s->end,
  };
}

/* In the layer of z and y the model repeats the row next to it, which is in cache. */
static ptrdiff_t in_model(const struct geometry *g, int in_z, int in_y, int32_t z, int32_t y) {
  return in_field(g, in_z < 0 ? z : slab_edge(&g->slab[0][in_z], in_z),
                  in_y < 0 ? y : slab_edge(&g->slab[1][in_y], in_y));
}

static struct row row_at(const struct update *u, ptrdiff_t field, ptrdiff_t cell,
                         ptrdiff_t model) {
  return (struct row){
      .p = u->p + field,
      .v = u->equation->v + model,
      .swap = u->swap + field,
      .rhs = u->rhs ? u->rhs + cell : NULL,
      .gradient = u->gradient + cell,
      .kept = u->kept ? u->kept + cell : NULL,
      .n = u->g->row,
  };
}

/* The first row of a strip. */
static struct place begin(const struct strip *k, const struct update *u) {
  const struct geometry *g = u->g;
  struct place at = {0};
  for (int32_t i = 0; i < k->n_z; i++) {
    const int32_t z = k->z + i, y = k->y0;
    const ptrdiff_t model = in_model(g, k->in_z[i], k->in_y, z, y);
    at.row[i] = row_at(u, in_field(g, z, y), in_cells(g, z, y), model);
    if (k->in_z[i] >= 0)
      at.z[i] = memory_row_at(u, 0, k->in_z[i], z, y);
    if (k->in_y >= 0)
      at.y[i] = memory_row_at(u, 1, k->in_y, z, y);
    for (int side = 0; side < 2; side++) {
      if (g->slab[2][side].present)
        at.x[i][side] = memory_row_at(u, 2, side, z, y);
    }
  }
  return at;
}

static void next_memory(struct memory_row *m, ptrdiff_t pitch, int next_cell) {
  m->psi += pitch, m->zeta += pitch;
  m->a += next_cell, m->b += next_cell, m->a_half += next_cell, m->b_half += next_cell;
}

/* One row on. In the layer of y the row of the model stays. */
static void next(const struct geometry *g, const struct strip *k, struct place *at) {
  for (int32_t i = 0; i < k->n_z; i++) {
    struct row *r = &at->row[i];
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

void strip_step(const struct strip *k, const struct update *u) {
  const struct layer_kernels *layer = u->adjoint ? &row_layer_adjoint : &row_layer;
  leapfrog_kernel *leapfrog = u->g->section ? row_leapfrog_section : row_leapfrog;
  struct place at = begin(k, u);
  for (int32_t y = k->y0; y < k->y1; y++, next(u->g, k, &at)) {
    leapfrog(u->g, u->equation, at.row, k->n_z);
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
