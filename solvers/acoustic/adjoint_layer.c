/* The memory variables of the adjoint: z and y by rows, all of x at the row ends. */
#include "adjoint_kernels.h"
#include "stencil.h"

void PVI(
    adjoint_zeta)(const PVI(plan) *plan, int axis, const PVI(layer) *layer, const PVI(layer_row) *row,
                  const real *w) {
  (void)axis;
  const real *restrict here = w + row->field, a = row->a, b = row->b;
  real *restrict zeta = layer->zeta + row->memory;
  const ptrdiff_t n = plan->g.nx_loop;
#pragma omp simd
  for (ptrdiff_t x = 0; x < n; x++)
    zeta[x] = b * zeta[x] + a * here[x];
}

void PVI(
    adjoint_psi)(const PVI(plan) *plan, int axis, const PVI(layer) *layer, const PVI(layer_row) *row,
                 const real *w) {
  const real *restrict here = w + row->field, *restrict zeta = layer->zeta + row->memory;
  real *restrict psi = layer->psi + row->memory;
  const real a = row->a, b = row->b, *d = plan->d1[axis];
  const ptrdiff_t n = plan->g.nx_loop, sw = row->field_stride, sm = row->memory_stride;
#pragma omp simd
  for (ptrdiff_t x = 0; x < n; x++) {
    psi[x] = b * psi[x] - a * (PVI(first)(here + x, sw, d) + PVI(first)(zeta + x, sm, d));
  }
}

/* One vector of cells at the end of one row: a = b = 0 in those outside the layer. */
typedef struct {
  const real *a, *b, *w, *v;
  real *psi, *zeta, *swap;
} end_vector;

static inline void zeta_of_x(const PVI(plan) *plan, const end_vector *e) {
  (void)plan;
  const real *restrict a = e->a, *restrict b = e->b, *restrict w = e->w;
  real *restrict zeta = e->zeta;
#pragma omp simd
  for (int x = 0; x < PVI_LANES; x++)
    zeta[x] = b[x] * zeta[x] + a[x] * w[x];
}

static inline void psi_of_x(const PVI(plan) *plan, const end_vector *e) {
  const real *restrict a = e->a, *restrict b = e->b, *restrict w = e->w;
  const real *restrict zeta = e->zeta, *d = plan->d1[2];
  real *restrict psi = e->psi;
#pragma omp simd
  for (int x = 0; x < PVI_LANES; x++) {
    psi[x] = b[x] * psi[x] - a[x] * (PVI(first)(w + x, 1, d) + PVI(first)(zeta + x, 1, d));
  }
}

static inline void add_x(const PVI(plan) *plan, const end_vector *e) {
  const real *restrict psi = e->psi, *restrict zeta = e->zeta, *restrict v = e->v;
  const real *d = plan->d1[2], *c = plan->d2[2];
  real *restrict swap = e->swap;
#pragma omp simd
  for (int x = 0; x < PVI_LANES; x++) {
    swap[x] += v[x] * (PVI(pairs)(zeta + x, 1, c) + c[0] * zeta[x] - PVI(first)(psi + x, 1, d));
  }
}

/* One of the three passes over all rows of a block, at one side. */
static inline __attribute__((always_inline)) void
pass(const PVI(plan) *plan, const PVI(step) *step, const PVI(block) *k, int side,
     void (*kernel)(const PVI(plan) *plan, const end_vector *e)) {
  const PVI(slab) *s = &plan->g.slab[2][side];
  const PVI(layer) *layer = &step->wave->layer[2][side];
  for (int32_t y = k->y0; y < k->y1; y++) {
    for (int32_t z = k->z0; z < k->z1; z++) {
      for (int32_t first = 0; first < s->end - s->begin; first += PVI_LANES) {
        const ptrdiff_t at = PVI(in_field)(&plan->g, z, y) + s->begin + first;
        const ptrdiff_t in_slab = PVI(in_slab)(s, z, y) + first;
        const end_vector e = {layer->a + first, layer->b + first,     step->p + at,
                              plan->v + at,     layer->psi + in_slab, layer->zeta + in_slab,
                              step->swap + at};
        kernel(plan, &e);
      }
    }
  }
}

void PVI(adjoint_ends)(const PVI(plan) *plan, const PVI(step) *step, const PVI(block) *block) {
  for (int side = 0; side < 2; side++) {
    if (!plan->g.slab[2][side].present)
      continue;
    pass(plan, step, block, side, zeta_of_x);
    pass(plan, step, block, side, psi_of_x);
    pass(plan, step, block, side, add_x);
  }
}
