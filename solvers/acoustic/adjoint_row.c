/* The adjoint kernel, with the zero-lag correlation of the gradient in the same pass. */
#include "adjoint_row.h"
#include "stencil.h"

/* D2 zeta - D psi at element x. */
static inline real memory(int near, const PVI(adjoint_across) *l, ptrdiff_t x, const real *c,
                          const real *d) {
  if (!near)
    return 0;
  return PVI(pairs)(l->zeta + x, l->stride, c) + c[0] * l->zeta[x] -
         PVI(first)(l->psi + x, l->stride, d);
}

static inline __attribute__((always_inline)) void
update(const PVI(plan) *plan, const PVI(adjoint_row_data) *row, int near_z, int near_y) {
  const real *restrict p = row->p, *restrict v = row->v, *restrict extra = row->extra;
  const real *restrict rhs = row->rhs;
  real *restrict swap = row->swap, *restrict gradient = row->gradient;
  const PVI(adjoint_across) z = row->z, y = row->y;
  const ptrdiff_t sz = plan->g.sz, sy = plan->g.sy, n = row->n;
  real c[3][5], d[2][5];
  for (int k = 0; k < 5; k++) {
    for (int axis = 0; axis < 3; axis++)
      c[axis][k] = plan->d2[axis][k];
    d[0][k] = plan->d1[0][k], d[1][k] = plan->d1[1][k];
  }
  const real centre = c[0][0] + c[1][0] + c[2][0];
#pragma omp simd
  for (ptrdiff_t x = 0; x < n; x++) {
    real sum = centre * p[x] + PVI(pairs)(p + x, sz, c[0]) + PVI(pairs)(p + x, sy, c[1]) +
               PVI(pairs)(p + x, 1, c[2]) + extra[x];
    sum += memory(near_z, &z, x, c[0], d[0]);
    sum += memory(near_y, &y, x, c[1], d[1]);
    gradient[x] += p[x] * rhs[x];
    swap[x] = 2 * p[x] - swap[x] + v[x] * sum;
  }
}

void PVI(adjoint_row)(const PVI(plan) *plan, const PVI(adjoint_row_data) *r) {
  if (r->z.psi && r->y.psi) {
    update(plan, r, 1, 1);
  } else if (r->z.psi) {
    update(plan, r, 1, 0);
  } else if (r->y.psi) {
    update(plan, r, 0, 1);
  } else {
    update(plan, r, 0, 0);
  }
}
