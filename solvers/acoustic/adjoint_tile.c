/* The transpose of the forward step, with w = c^2 dt^2 times the adjoint of p:
 *
 *   zeta_i = b zeta_i + a w                    (a times the adjoint of zeta)
 *   psi_i  = b psi_i  - a D_i (w + zeta_i)     (a times the adjoint of psi)
 *   w_prev = 2 w - w_next + c^2 dt^2 (laplacian(w) + sum_i (D2_i zeta_i - D_i psi_i))
 *
 * zeta_z runs eight planes ahead, psi_z four. */
#include "adjoint_kernels.h"
#include "denormals.h"

/* Bring a memory variable of z up to plane `to`; `done` is how far it was. */
static void reach(const PVI(plan) *plan, const PVI(tile) *t, const PVI(step) *step, int32_t to,
                  PVI(row_kernel) *kernel, int32_t *done) {
  const PVI(block) next = {*done, PVI(smaller)(to, t->z1), t->y0, t->y1};
  PVI(for_layer_rows)(plan, 0, &next, step, kernel);
  *done = next.z1;
}

/* A few planes, in blocks of rows that see the layer of y alike. */
static void retreat_planes(const PVI(plan) *plan, const PVI(tile) *t, const PVI(step) *step, int32_t z0,
                           int32_t z1) {
  const PVI(block) all = {z0, z1, t->y0, t->y1};
  PVI(for_layer_rows)(plan, 1, &all, step, PVI(adjoint_zeta));
  PVI(for_layer_rows)(plan, 1, &all, step, PVI(adjoint_psi));
  for (int32_t y0 = t->y0; y0 < t->y1;) {
    const int32_t y1 = PVI(alike)(plan, 1, y0, PVI(smaller)(y0 + PVI_ROWS, t->y1));
    const PVI(block) block = {z0, z1, y0, y1};
    PVI(adjoint_block)(plan, step, &block);
    PVI(adjoint_ends)(plan, step, &block);
    y0 = y1;
  }
}

void PVI(adjoint_tile)(const PVI(plan) *plan, const PVI(tile) *t, const PVI(step) *step) {
  const unsigned mode = pvi_flush_denormals();
  int32_t zeta = t->z0, psi = t->z0;
  for (int32_t z0 = t->z0; z0 < t->z1;) {
    const int32_t z1 = PVI(alike)(plan, 0, z0, PVI(smaller)(z0 + plan->march, t->z1));
    reach(plan, t, step, z1 + 2 * PVI_HALO, PVI(adjoint_zeta), &zeta);
    reach(plan, t, step, z1 + PVI_HALO, PVI(adjoint_psi), &psi);
    retreat_planes(plan, t, step, z0, z1);
    z0 = z1;
  }
  pvi_restore_denormals(mode);
}
