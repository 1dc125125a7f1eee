/* Convolutional PML (Pasalic & McGarry 2010), its derivatives of order 2 and psi half a cell
 * on; psi is stored over the spacing, so that its derivative is a difference:
 *
 *   psi    = b psi  + a (p[+1] - p) / h^2
 *   zeta   = b zeta + a ((p[+1] - 2 p + p[-1]) / h^2 + psi - psi[-1])
 *   rhs    = laplacian(p) + sum over axes of (psi - psi[-1] + zeta)
 *   p_next = 2 p - p_previous + c^2 dt^2 rhs */
#define PVI_NARROW
#include "row.h"

static void along(const struct memory_row *given, const struct row *row) {
  const struct memory_row m = *given;
  const struct row r = *row;
  const real a = *m.a, b = *m.b, a_half = *m.a_half, b_half = *m.b_half;
  for (ptrdiff_t x = 0; x < r.n; x += WIDTH) {
    const real *p = r.p + x;
    const vector here = load(p), up = load(p + m.step);
    const vector down = load(p - m.step);
    const vector psi = b_half * load(m.psi + x) + a_half * (up - here);
    const vector d_psi = psi - load(m.psi + x - m.cell);
    const vector d2 = m.inv_h2 * (up - 2 * here + down);
    const vector zeta = b * load(m.zeta + x) + a * (d2 + d_psi);
    store(m.psi + x, psi);
    store(m.zeta + x, zeta);
    __builtin_prefetch(m.psi + x + m.ahead);
    __builtin_prefetch(m.zeta + x + m.ahead);
    add_term(&r, x, d_psi + zeta);
  }
}

/* Along x, from left to right. */
static void end(const struct memory_row *given, const struct row *row) {
  const struct memory_row m = *given;
  const struct row r = *row;
  vector psi_before = {0};
  for (ptrdiff_t x = m.begin, i = 0; x < m.end; x += WIDTH, i += WIDTH) {
    const struct window w = window_at(r.p + x);
    const vector up = taken(w.here, w.after, 1);
    const vector down = taken(w.before, w.here, WIDTH - 1);
    const vector psi =
        load(m.b_half + i) * load(m.psi + i) + load(m.a_half + i) * (up - w.here);
    const vector d_psi = psi - taken(psi_before, psi, WIDTH - 1);
    const vector d2 = m.inv_h2 * (up - 2 * w.here + down);
    const vector zeta = load(m.b + i) * load(m.zeta + i) + load(m.a + i) * (d2 + d_psi);
    store(m.psi + i, psi);
    store(m.zeta + i, zeta);
    __builtin_prefetch(m.psi + i + m.ahead);
    __builtin_prefetch(m.zeta + i + m.ahead);
    psi_before = psi;
    add_term(&r, x, d_psi + zeta);
  }
}

const struct layer_kernels row_layer = {along, end};
