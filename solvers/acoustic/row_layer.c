/* Convolutional PML (Pasalic & McGarry 2010), its derivatives of order 2 and psi half a cell
 * on; psi is stored over the spacing, so that its derivative is a difference:
 *
 *   psi    = b psi  + a (p[+1] - p) / h^2
 *   zeta   = b zeta + a ((p[+1] - 2 p + p[-1]) / h^2 + psi - psi[-1])
 *   rhs    = laplacian(p) + sum over axes of (psi - psi[-1] + zeta)
 *   p_next = 2 p - p_previous + c^2 dt^2 rhs */
#define PVI_NARROW
#include "rows.h"

static void along(const PVI(memory_row) *given, const PVI(row) *row) {
  const PVI(memory_row) m = *given;
  const PVI(row) r = *row;
  const real a = *m.a, b = *m.b, a_half = *m.a_half, b_half = *m.b_half;
  for (ptrdiff_t x = 0; x < r.n; x += PVI_WIDTH) {
    const real *p = r.p + x;
    const PVI(vector) here = PVI(load)(p), up = PVI(load)(p + m.step);
    const PVI(vector) down = PVI(load)(p - m.step);
    const PVI(vector) psi = b_half * PVI(load)(m.psi + x) + a_half * (up - here);
    const PVI(vector) d_psi = psi - PVI(load)(m.psi + x - m.cell);
    const PVI(vector) d2 = m.inv_h2 * (up - 2 * here + down);
    const PVI(vector) zeta = b * PVI(load)(m.zeta + x) + a * (d2 + d_psi);
    PVI(store)(m.psi + x, psi);
    PVI(store)(m.zeta + x, zeta);
    __builtin_prefetch(m.psi + x + m.ahead);
    __builtin_prefetch(m.zeta + x + m.ahead);
    PVI(add_term)(&r, x, d_psi + zeta);
  }
}

/* Along x, from left to right. */
static void end(const PVI(memory_row) *given, const PVI(row) *row) {
  const PVI(memory_row) m = *given;
  const PVI(row) r = *row;
  PVI(vector) psi_before = {0};
  for (ptrdiff_t x = m.begin, i = 0; x < m.end; x += PVI_WIDTH, i += PVI_WIDTH) {
    const PVI(window) w = PVI(window_at)(r.p + x);
    const PVI(vector) up = PVI(taken)(w.here, w.after, 1);
    const PVI(vector) down = PVI(taken)(w.before, w.here, PVI_WIDTH - 1);
    const PVI(vector) psi = PVI(load)(m.b_half + i) * PVI(load)(m.psi + i) +
                            PVI(load)(m.a_half + i) * (up - w.here);
    const PVI(vector) d_psi = psi - PVI(taken)(psi_before, psi, PVI_WIDTH - 1);
    const PVI(vector) d2 = m.inv_h2 * (up - 2 * w.here + down);
    const PVI(vector) zeta =
        PVI(load)(m.b + i) * PVI(load)(m.zeta + i) + PVI(load)(m.a + i) * (d2 + d_psi);
    PVI(store)(m.psi + i, psi);
    PVI(store)(m.zeta + i, zeta);
    __builtin_prefetch(m.psi + i + m.ahead);
    __builtin_prefetch(m.zeta + i + m.ahead);
    psi_before = psi;
    PVI(add_term)(&r, x, d_psi + zeta);
  }
}

const PVI(layer_kernels) PVI(forward_layer) = {along, end};
