/* The transpose of the forward layer, with w = c^2 dt^2 times the adjoint of p:
 *
 *   zeta   = b zeta + a w                                (a times the adjoint of zeta)
 *   psi    = b psi  - a ((w + zeta)[+1] - (w + zeta)) / h^2   (a / h^2 times that of psi)
 *   w_prev = 2 w - w_next + c^2 dt^2 (laplacian(w) + sum over axes of
 *            ((zeta[+1] - 2 zeta + zeta[-1]) / h^2 - (psi - psi[-1])))
 *
 * zeta[+1] is computed, not yet stored, when its turn comes it is computed once more. */
#define PVI_NARROW
#include "row.h"

static void along(const struct memory_row *given, const struct row *row) {
  const struct memory_row m = *given;
  const struct row r = *row;
  const real a = m.a[0], b = m.b[0], a_next = m.a[1], b_next = m.b[1];
  const real a_half = *m.a_half, b_half = *m.b_half;
  for (ptrdiff_t x = 0; x < r.n; x += WIDTH) {
    const vector here = load(r.p + x), up = load(r.p + x + m.step);
    const vector zeta = b * load(m.zeta + x) + a * here;
    const vector next = b_next * load(m.zeta + x + m.cell) + a_next * up;
    const vector previous = load(m.zeta + x - m.cell);
    const vector difference = (up + next) - (here + zeta);
    const vector psi = b_half * load(m.psi + x) - a_half * difference;
    const vector d_psi = psi - load(m.psi + x - m.cell);
    store(m.psi + x, psi);
    store(m.zeta + x, zeta);
    __builtin_prefetch(m.psi + x + m.ahead);
    __builtin_prefetch(m.zeta + x + m.cell + m.ahead);
    add_term(&r, x, m.inv_h2 * (next - 2 * zeta + previous) - d_psi);
  }
}

/* zeta one vector on; `w` is the field there. Beyond the layer it is zero. */
PVI_INLINE vector zeta_at(const struct memory_row *m, ptrdiff_t i, vector w) {
  if (m->begin + i >= m->end)
    return (vector){0};
  return load(m->b + i) * load(m->zeta + i) + load(m->a + i) * w;
}

/* Along x, from left to right. */
static void end(const struct memory_row *given, const struct row *row) {
  const struct memory_row m = *given;
  const struct row r = *row;
  vector psi_before = {0}, zeta_before = {0}, zeta = {0};
  for (ptrdiff_t x = m.begin, i = 0; x < m.end; x += WIDTH, i += WIDTH) {
    const struct window w = window_at(r.p + x);
    if (i == 0)
      zeta = zeta_at(&m, 0, w.here);
    const vector after = zeta_at(&m, i + WIDTH, w.after);
    const vector next = taken(zeta, after, 1);
    const vector previous = taken(zeta_before, zeta, WIDTH - 1);
    const vector up = taken(w.here, w.after, 1);
    const vector difference = (up + next) - (w.here + zeta);
    const vector psi = load(m.b_half + i) * load(m.psi + i) - load(m.a_half + i) * difference;
    const vector d_psi = psi - taken(psi_before, psi, WIDTH - 1);
    store(m.psi + i, psi);
    store(m.zeta + i, zeta);
    __builtin_prefetch(m.psi + i + m.ahead);
    __builtin_prefetch(m.zeta + i + m.ahead);
    add_term(&r, x, m.inv_h2 * (next - 2 * zeta + previous) - d_psi);
    psi_before = psi, zeta_before = zeta, zeta = after;
  }
}

const struct layer_kernels row_layer_adjoint = {along, end};
