/* The transpose of the forward layer, with w = c^2 dt^2 times the adjoint of p:
 *
 *   zeta   = b zeta + a w                                (a times the adjoint of zeta)
 *   psi    = b psi  - a ((w + zeta)[+1] - (w + zeta)) / h^2   (a / h^2 times that of psi)
 *   w_prev = 2 w - w_next + c^2 dt^2 (laplacian(w) + sum over axes of
 *            ((zeta[+1] - 2 zeta + zeta[-1]) / h^2 - (psi - psi[-1])))
 *
 * zeta[+1] is computed, not yet stored, when its turn comes it is computed once more. */
#define PVI_NARROW
#include "rows.h"

static void along(const PVI(memory_row) *given, const PVI(row) *row) {
  const PVI(memory_row) m = *given;
  const PVI(row) r = *row;
  const real a = m.a[0], b = m.b[0], a_next = m.a[1], b_next = m.b[1];
  const real a_half = *m.a_half, b_half = *m.b_half;
  for (ptrdiff_t x = 0; x < r.n; x += PVI_WIDTH) {
    const PVI(vector) here = PVI(load)(r.p + x), up = PVI(load)(r.p + x + m.step);
    const PVI(vector) zeta = b * PVI(load)(m.zeta + x) + a * here;
    const PVI(vector) next = b_next * PVI(load)(m.zeta + x + m.cell) + a_next * up;
    const PVI(vector) previous = PVI(load)(m.zeta + x - m.cell);
    const PVI(vector) difference = (up + next) - (here + zeta);
    const PVI(vector) psi = b_half * PVI(load)(m.psi + x) - a_half * difference;
    const PVI(vector) d_psi = psi - PVI(load)(m.psi + x - m.cell);
    PVI(store)(m.psi + x, psi);
    PVI(store)(m.zeta + x, zeta);
    __builtin_prefetch(m.psi + x + m.ahead);
    __builtin_prefetch(m.zeta + x + m.cell + m.ahead);
    PVI(add_term)(&r, x, m.inv_h2 * (next - 2 * zeta + previous) - d_psi);
  }
}

/* zeta one vector on; `w` is the field there. Beyond the layer it is zero. */
PVI_INLINE PVI(vector) zeta_at(const PVI(memory_row) *m, ptrdiff_t i, PVI(vector) w) {
  if (m->begin + i >= m->end)
    return (PVI(vector)){0};
  return PVI(load)(m->b + i) * PVI(load)(m->zeta + i) + PVI(load)(m->a + i) * w;
}

/* Along x, from left to right. */
static void end(const PVI(memory_row) *given, const PVI(row) *row) {
  const PVI(memory_row) m = *given;
  const PVI(row) r = *row;
  PVI(vector) psi_before = {0}, zeta_before = {0}, zeta = {0};
  for (ptrdiff_t x = m.begin, i = 0; x < m.end; x += PVI_WIDTH, i += PVI_WIDTH) {
    const PVI(window) w = PVI(window_at)(r.p + x);
    if (i == 0)
      zeta = zeta_at(&m, 0, w.here);
    const PVI(vector) after = zeta_at(&m, i + PVI_WIDTH, w.after);
    const PVI(vector) next = PVI(taken)(zeta, after, 1);
    const PVI(vector) previous = PVI(taken)(zeta_before, zeta, PVI_WIDTH - 1);
    const PVI(vector) up = PVI(taken)(w.here, w.after, 1);
    const PVI(vector) difference = (up + next) - (w.here + zeta);
    const PVI(vector) psi =
        PVI(load)(m.b_half + i) * PVI(load)(m.psi + i) - PVI(load)(m.a_half + i) * difference;
    const PVI(vector) d_psi = psi - PVI(taken)(psi_before, psi, PVI_WIDTH - 1);
    PVI(store)(m.psi + i, psi);
    PVI(store)(m.zeta + i, zeta);
    __builtin_prefetch(m.psi + i + m.ahead);
    __builtin_prefetch(m.zeta + i + m.ahead);
    PVI(add_term)(&r, x, m.inv_h2 * (next - 2 * zeta + previous) - d_psi);
    psi_before = psi, zeta_before = zeta, zeta = after;
  }
}

const PVI(layer_kernels) PVI(adjoint_layer) = {along, end};
