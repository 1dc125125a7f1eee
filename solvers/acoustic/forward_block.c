/* The kernel of the solver. `kind` is a constant in each copy the compiler makes, so that
 * rows inside the box carry nothing of the layer. */
#include "forward_kernels.h"
#include "stencil.h"

/* One axis of the layer in one row. */
typedef struct {
  const real *psi;
  real *zeta;
  ptrdiff_t stride;
  real a, b;
} memory_row;

static inline memory_row find(const PVI(across) *l, int32_t z, int32_t y, int32_t at) {
  if (l->kind == PVI_NO_LAYER)
    return (memory_row){0};
  const ptrdiff_t row = PVI(in_slab)(l->slab, z, y), i = at - l->slab->begin;
  return (memory_row){l->layer->psi + row, l->layer->zeta + row, l->slab->cell, l->layer->a[i],
                      l->layer->b[i]};
}

/* D psi + zeta at element x; d2_p is the second derivative of p along the same axis. */
static inline real memory(PVI(kind) kind, const memory_row *m, ptrdiff_t x, real d2_p,
                          const real *d) {
  if (kind == PVI_NO_LAYER)
    return 0;
  const real d_psi = PVI(first)(m->psi + x, m->stride, d);
  if (kind == PVI_NEAR_LAYER)
    return d_psi;
  const real zeta = m->b * m->zeta[x] + m->a * (d2_p + d_psi);
  m->zeta[x] = zeta;
  return d_psi + zeta;
}

typedef struct {
  const PVI(tile) *tile;
  const PVI(step) *step;
  const PVI(block) *block;
  PVI(across) z, y;
} job;

static inline __attribute__((always_inline)) void update(const PVI(plan) *plan, const job *j,
                                                         PVI(kind) kind_z, PVI(kind) kind_y) {
  const PVI(geometry) *g = &plan->g;
  const ptrdiff_t sz = g->sz, sy = g->sy, n = g->nx_loop;
  const real(*c)[5] = plan->d2, (*d)[5] = plan->d1;
  const real centre = c[0][0] + c[1][0] + c[2][0];
  for (int32_t y = j->block->y0; y < j->block->y1; y++) {
    for (int32_t z = j->block->z0; z < j->block->z1; z++) {
      const ptrdiff_t at = PVI(in_field)(g, z, y), cell = PVI(in_cells)(g, z, y);
      const real *restrict p = j->step->p + at, *restrict v = plan->v + at;
      real *restrict swap = j->step->swap + at;
      real *restrict rhs = j->step->rhs ? j->step->rhs + cell : j->tile->unused;
      const memory_row in_z = find(&j->z, z, y, z), in_y = find(&j->y, z, y, y);
      if (plan->prefetch) {
        PVI(prefetch)(n, p + 4 * sz + PVI_AHEAD * sy);
        PVI(prefetch)(n, swap + PVI_AHEAD * sy);
        PVI(prefetch)(n, v + PVI_AHEAD * sy);
        if (kind_z == PVI_IN_LAYER)
          PVI(prefetch)(n, in_z.zeta + PVI_AHEAD * g->row);
        if (kind_y == PVI_IN_LAYER)
          PVI(prefetch)(n, in_y.zeta + PVI_AHEAD * g->row);
      }
#pragma omp simd
      for (ptrdiff_t x = 0; x < n; x++) {
        const real along_z = PVI(pairs)(p + x, sz, c[0]);
        const real along_y = PVI(pairs)(p + x, sy, c[1]);
        real sum = centre * p[x] + along_z + along_y + PVI(pairs)(p + x, 1, c[2]);
        sum += memory(kind_z, &in_z, x, along_z + c[0][0] * p[x], d[0]);
        sum += memory(kind_y, &in_y, x, along_y + c[1][0] * p[x], d[1]);
        rhs[x] = sum;
        swap[x] = 2 * p[x] - swap[x] + v[x] * sum;
      }
    }
  }
}

void PVI(
    forward_block)(const PVI(plan) *plan, const PVI(tile) *tile, const PVI(step) *step, const PVI(block) *block) {
  const job j = {tile, step, block, PVI(look_up)(plan, step->wave, 0, block->z0),
                 PVI(look_up)(plan, step->wave, 1, block->y0)};
  switch (3 * (int)j.z.kind + (int)j.y.kind) {
  case 0: update(plan, &j, PVI_NO_LAYER, PVI_NO_LAYER); break;
  case 1: update(plan, &j, PVI_NO_LAYER, PVI_NEAR_LAYER); break;
  case 2: update(plan, &j, PVI_NO_LAYER, PVI_IN_LAYER); break;
  case 3: update(plan, &j, PVI_NEAR_LAYER, PVI_NO_LAYER); break;
  case 4: update(plan, &j, PVI_NEAR_LAYER, PVI_NEAR_LAYER); break;
  case 5: update(plan, &j, PVI_NEAR_LAYER, PVI_IN_LAYER); break;
  case 6: update(plan, &j, PVI_IN_LAYER, PVI_NO_LAYER); break;
  case 7: update(plan, &j, PVI_IN_LAYER, PVI_NEAR_LAYER); break;
  default: update(plan, &j, PVI_IN_LAYER, PVI_IN_LAYER); break;
  }
}
