/* The memory variables of the layer: psi of z and y by rows, all of x at the row ends. */
#include "forward_kernels.h"
#include "stencil.h"

void PVI(
    forward_psi)(const PVI(plan) *plan, int axis, const PVI(layer) *layer, const PVI(layer_row) *row,
                 const real *p) {
  const real *restrict here = p + row->field;
  real *restrict psi = layer->psi + row->memory;
  const real a = row->a, b = row->b, *d = plan->d1[axis];
  const ptrdiff_t n = plan->g.nx_loop, s = row->field_stride;
  if (plan->prefetch)
    PVI(prefetch)(n, psi + PVI_AHEAD * plan->g.row);
#pragma omp simd
  for (ptrdiff_t x = 0; x < n; x++)
    psi[x] = b * psi[x] + a * PVI(first)(here + x, s, d);
}

/* One vector of cells at a row end: a = b = 0 in those outside the layer. */
typedef struct {
  ptrdiff_t cell, first; /* local x, and the same from the begin of the slab */
  const PVI(slab) *slab;
  const PVI(layer) *layer;
} end_vector;

static void psi_of_x(const PVI(plan) *plan, const real *p, const PVI(block) *k, const end_vector *e) {
  const real *restrict a = e->layer->a + e->first, *restrict b = e->layer->b + e->first;
  const real *d = plan->d1[2];
  for (int32_t y = k->y0; y < k->y1; y++) {
    for (int32_t z = k->z0; z < k->z1; z++) {
      const real *restrict here = p + PVI(in_field)(&plan->g, z, y) + e->cell;
      real *restrict psi = e->layer->psi + PVI(in_slab)(e->slab, z, y) + e->first;
#pragma omp simd
      for (int x = 0; x < PVI_LANES; x++) {
        psi[x] = b[x] * psi[x] + a[x] * PVI(first)(here + x, 1, d);
      }
    }
  }
}

static void zeta_of_x(const PVI(plan) *plan, const PVI(step) *step, const PVI(block) *k, const end_vector *e) {
  const real *restrict a = e->layer->a + e->first, *restrict b = e->layer->b + e->first;
  const real *d = plan->d1[2], *c = plan->d2[2];
  for (int32_t y = k->y0; y < k->y1; y++) {
    for (int32_t z = k->z0; z < k->z1; z++) {
      const ptrdiff_t at = PVI(in_field)(&plan->g, z, y) + e->cell;
      const ptrdiff_t in_slab = PVI(in_slab)(e->slab, z, y) + e->first;
      const real *restrict p = step->p + at, *restrict v = plan->v + at;
      const real *restrict psi = e->layer->psi + in_slab;
      real *restrict zeta = e->layer->zeta + in_slab, *restrict swap = step->swap + at;
      real added[PVI_LANES];
#pragma omp simd
      for (int x = 0; x < PVI_LANES; x++) {
        const real d_psi = PVI(first)(psi + x, 1, d);
        const real d2_p = PVI(pairs)(p + x, 1, c) + c[0] * p[x];
        zeta[x] = b[x] * zeta[x] + a[x] * (d2_p + d_psi);
        added[x] = d_psi + zeta[x];
        swap[x] += v[x] * added[x];
      }
      if (!step->rhs)
        continue;
      real *restrict rhs = step->rhs + PVI(in_cells)(&plan->g, z, y) + e->cell;
#pragma omp simd
      for (int x = 0; x < PVI_LANES; x++)
        rhs[x] += added[x];
    }
  }
}

void PVI(forward_ends)(const PVI(plan) *plan, const PVI(step) *step, const PVI(block) *block) {
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &plan->g.slab[2][side];
    if (!s->present)
      continue;
    for (int pass = 0; pass < 2; pass++) {
      for (int32_t first = 0; first < s->end - s->begin; first += PVI_LANES) {
        const end_vector e = {s->begin + first, first, s, &step->wave->layer[2][side]};
        if (pass == 0) {
          psi_of_x(plan, step->p, block, &e);
        } else {
          zeta_of_x(plan, step, block, &e);
        }
      }
    }
  }
}
