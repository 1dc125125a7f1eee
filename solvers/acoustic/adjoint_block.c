/* The adjoint kernel, with the zero-lag correlation of the gradient in the same pass. */
#include "adjoint_kernels.h"
#include "stencil.h"

/* One axis of the layer in one row. */
typedef struct {
  const real *psi, *zeta;
  ptrdiff_t stride;
} memory_row;

static inline memory_row find(const PVI(across) *l, int32_t z, int32_t y) {
  if (l->kind == PVI_NO_LAYER)
    return (memory_row){0};
  const ptrdiff_t row = PVI(in_slab)(l->slab, z, y);
  return (memory_row){l->layer->psi + row, l->layer->zeta + row, l->slab->cell};
}

/* D2 zeta - D psi at element x. */
static inline real memory(int near, const memory_row *m, ptrdiff_t x, const real *c,
                          const real *d) {
  if (!near)
    return 0;
  return PVI(pairs)(m->zeta + x, m->stride, c) + c[0] * m->zeta[x] -
         PVI(first)(m->psi + x, m->stride, d);
}

typedef struct {
  const PVI(step) *step;
  const PVI(block) *block;
  PVI(across) z, y;
} job;

static inline __attribute__((always_inline)) void update(const PVI(plan) *plan, const job *j,
                                                         int near_z, int near_y) {
  const PVI(geometry) *g = &plan->g;
  const ptrdiff_t sz = g->sz, sy = g->sy, n = g->nx_loop;
  const real(*c)[5] = plan->d2, (*d)[5] = plan->d1;
  const real centre = c[0][0] + c[1][0] + c[2][0];
  for (int32_t y = j->block->y0; y < j->block->y1; y++) {
    for (int32_t z = j->block->z0; z < j->block->z1; z++) {
      const ptrdiff_t at = PVI(in_field)(g, z, y), cell = PVI(in_cells)(g, z, y);
      const real *restrict p = j->step->p + at, *restrict v = plan->v + at;
      const real *restrict rhs = j->step->rhs ? j->step->rhs + cell : NULL;
      real *restrict swap = j->step->swap + at, *restrict gradient = plan->gradient + cell;
      const memory_row in_z = find(&j->z, z, y), in_y = find(&j->y, z, y);
      if (plan->prefetch) {
        PVI(prefetch)(n, p + 4 * sz + PVI_AHEAD * sy);
        PVI(prefetch)(n, swap + PVI_AHEAD * sy);
        PVI(prefetch)(n, v + PVI_AHEAD * sy);
        if (rhs) {
          PVI(prefetch)(n, rhs + PVI_AHEAD * g->row);
          PVI(prefetch)(n, gradient + PVI_AHEAD * g->row);
        }
      }
#pragma omp simd
      for (ptrdiff_t x = 0; x < n; x++) {
        real sum = centre * p[x] + PVI(pairs)(p + x, sz, c[0]) + PVI(pairs)(p + x, sy, c[1]) +
                   PVI(pairs)(p + x, 1, c[2]);
        sum += memory(near_z, &in_z, x, c[0], d[0]);
        sum += memory(near_y, &in_y, x, c[1], d[1]);
        if (rhs)
          gradient[x] += p[x] * rhs[x];
        swap[x] = 2 * p[x] - swap[x] + v[x] * sum;
      }
    }
  }
}

void PVI(adjoint_block)(const PVI(plan) *plan, const PVI(step) *step, const PVI(block) *block) {
  const job j = {step, block, PVI(look_up)(plan, step->wave, 0, block->z0),
                 PVI(look_up)(plan, step->wave, 1, block->y0)};
  if (j.z.slab && j.y.slab) {
    update(plan, &j, 1, 1);
  } else if (j.z.slab) {
    update(plan, &j, 1, 0);
  } else if (j.y.slab) {
    update(plan, &j, 0, 1);
  } else {
    update(plan, &j, 0, 0);
  }
}
