/* Leapfrog step with convolutional PML (Pasalic & McGarry 2010):
 *
 *   psi_i  = b psi_i  + a D_i p
 *   zeta_i = b zeta_i + a (D2_i p + D_i psi_i)
 *   rhs    = laplacian(p) + sum_i (D_i psi_i + zeta_i)
 *   p_next = 2 p - p_previous + c^2 dt^2 rhs
 *
 * A tile marches along z, psi_z four planes ahead, so that all it reads stays in cache. */
#include "denormals.h"
#include "forward_kernels.h"

/* A few planes, in blocks of rows that see the layer of y alike. */
static void advance_planes(const PVI(plan) *plan, const PVI(tile) *t, const PVI(step) *step, int32_t z0,
                           int32_t z1) {
  const PVI(block) all = {z0, z1, t->y0, t->y1};
  PVI(for_layer_rows)(plan, 1, &all, step, PVI(forward_psi));
  for (int32_t y0 = t->y0; y0 < t->y1;) {
    const int32_t y1 = PVI(alike)(plan, 1, y0, PVI(smaller)(y0 + PVI_ROWS, t->y1));
    const PVI(block) block = {z0, z1, y0, y1};
    PVI(forward_block)(plan, t, step, &block);
    PVI(forward_ends)(plan, step, &block);
    y0 = y1;
  }
}

void PVI(forward_tile)(const PVI(plan) *plan, const PVI(tile) *t, const PVI(step) *step) {
  const unsigned mode = pvi_flush_denormals();
  int32_t ahead = t->z0; /* planes below this have their psi_z */
  for (int32_t z0 = t->z0; z0 < t->z1;) {
    const int32_t z1 = PVI(alike)(plan, 0, z0, PVI(smaller)(z0 + plan->march, t->z1));
    const int32_t wanted = PVI(smaller)(z1 + PVI_HALO, t->z1);
    const PVI(block) next = {ahead, wanted, t->y0, t->y1};
    PVI(for_layer_rows)(plan, 0, &next, step, PVI(forward_psi));
    advance_planes(plan, t, step, z0, z1);
    ahead = wanted;
    z0 = z1;
  }
  pvi_restore_denormals(mode);
}
