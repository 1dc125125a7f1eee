/* The kernel of the solver. `kind` is a constant in each copy the compiler makes, so that
 * rows inside the box carry nothing of the layer. */
#include "forward_row.h"
#include "stencil.h"

/* D psi + zeta at element x; d2_p is the second derivative of p along the same axis. */
static inline real memory(
    PVI(kind) kind, const PVI(across) *l, ptrdiff_t x, real d2_p, const real *d) {
  if (kind == PVI_NO_LAYER)
    return 0;
  const real d_psi = PVI(first)(l->psi + x, l->stride, d);
  if (kind == PVI_NEAR_LAYER)
    return d_psi;
  const real zeta = l->b * l->zeta[x] + l->a * (d2_p + d_psi);
  l->zeta[x] = zeta;
  return d_psi + zeta;
}

static inline __attribute__((always_inline)) void update(const PVI(plan) *plan, const PVI(row) *row,
                                                         PVI(kind) kind_z, PVI(kind) kind_y) {
  const real *restrict p = row->p, *restrict v = row->v, *restrict extra = row->extra;
  real *restrict swap = row->swap, *restrict rhs = row->rhs;
  const PVI(across) z = row->z, y = row->y;
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
    const real along_z = PVI(pairs)(p + x, sz, c[0]), along_y = PVI(pairs)(p + x, sy, c[1]);
    real sum = centre * p[x] + along_z + along_y + PVI(pairs)(p + x, 1, c[2]) + extra[x];
    sum += memory(kind_z, &z, x, along_z + c[0][0] * p[x], d[0]);
    sum += memory(kind_y, &y, x, along_y + c[1][0] * p[x], d[1]);
    rhs[x] = sum;
    swap[x] = 2 * p[x] - swap[x] + v[x] * sum;
  }
}

void PVI(forward_row)(const PVI(plan) *plan, const PVI(row) *r) {
  switch (3 * (int)r->z.kind + (int)r->y.kind) {
  case 0: update(plan, r, PVI_NO_LAYER, PVI_NO_LAYER); break;
  case 1: update(plan, r, PVI_NO_LAYER, PVI_NEAR_LAYER); break;
  case 2: update(plan, r, PVI_NO_LAYER, PVI_IN_LAYER); break;
  case 3: update(plan, r, PVI_NEAR_LAYER, PVI_NO_LAYER); break;
  case 4: update(plan, r, PVI_NEAR_LAYER, PVI_NEAR_LAYER); break;
  case 5: update(plan, r, PVI_NEAR_LAYER, PVI_IN_LAYER); break;
  case 6: update(plan, r, PVI_IN_LAYER, PVI_NO_LAYER); break;
  case 7: update(plan, r, PVI_IN_LAYER, PVI_NEAR_LAYER); break;
  default: update(plan, r, PVI_IN_LAYER, PVI_IN_LAYER); break;
  }
}
