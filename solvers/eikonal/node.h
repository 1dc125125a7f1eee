/* The time of one node from the accepted ones about it. */
#pragma once
#include "heap.h"
#include "stencil.h"

enum { FAR = 0, TRIAL, FIXED, ACCEPTED, OUTSIDE };

/* Arrays [nodes] of one thread. */
struct scratch {
  struct heap heap;
  double *time;
  uint8_t *state, *wanted;
};

struct march {
  const struct lattice *l;
  const double *slowness, *source;
  double *factor;
  uint16_t *stencil;
  struct scratch s;
};

/* A node that is computed: where it is, and the square of r times its slowness. */
struct point {
  int32_t node;
  struct ray ray;
  double r, right; /* distance from the source; r^2 s^2 */
};

/* Return the upwind digit of an axis, by the earlier of its neighbours. */
static inline int32_t upwind_digit(const struct march *m, int32_t node, int32_t axis) {
  const int32_t step = m->l->stride[axis];
  const uint8_t *state = m->s.state;
  const double *time = m->s.time;
  const int below = state[node - step] == ACCEPTED, above = state[node + step] == ACCEPTED;
  if (!below && !above)
    return PVI_NOTHING;
  const int up = above && (!below || time[node + step] < time[node - step]);
  const int32_t near = up ? node + step : node - step;
  const int32_t far = up ? near + step : near - step;
  const int second = state[far] == ACCEPTED && time[far] <= time[near];
  return (up ? PVI_ABOVE_1 : PVI_BELOW_1) + second;
}

/* Return the digit of a difference across at an anchor, by which of its neighbours are there.
 */
static inline int32_t across_digit(const struct march *m, int32_t anchor, int32_t axis) {
  const int32_t step = m->l->stride[axis];
  const int below = m->s.state[anchor - step] == ACCEPTED;
  const int above = m->s.state[anchor + step] == ACCEPTED;
  if (below && above)
    return PVI_ACROSS;
  return below ? PVI_ACROSS_BELOW : above ? PVI_ACROSS_ABOVE : PVI_NOTHING;
}

/* Solve sum_k (a_k tau - b_k)^2 = r^2 s^2; false if it is not upwind in the first `n_upwind`
 * terms, or the others are no small part of the sum. */
static inline int solve(const struct point *at, const struct term *terms, int32_t n_upwind,
                        int32_t n, double *factor) {
  double aa = 0, ab = 0, bb = -at->right;
  for (int32_t k = 0; k < n; k++) {
    aa += terms[k].a * terms[k].a;
    ab += terms[k].a * terms[k].b;
    bb += terms[k].b * terms[k].b;
  }
  const double root = ab * ab - aa * bb;
  if (!(root > 0))
    return 0;
  const double tau = (ab + sqrt(root)) / aa;
  int good = 1;
  for (int32_t k = 0; k < n; k++) {
    const double q = terms[k].a * tau - terms[k].b;
    good &= k < n_upwind ? (terms[k].a > 0) & (q >= 0) & (at->r * tau >= terms[k].time)
                         : 4 * q * q <= at->right;
  }
  *factor = tau;
  return good;
}

static inline uint16_t code_of(const struct term *terms, int32_t n) {
  int32_t code = terms[0].axis << PVI_ANCHOR_SHIFT;
  for (int32_t k = 0; k < n; k++)
    code |= terms[k].digit << (PVI_DIGIT_BITS * terms[k].axis);
  return (uint16_t)code;
}

/* Put differences across, at the near node of the first term, for the axes that the `n` terms
 * do not have; return the number of terms. */
static inline int32_t complete(const struct march *m, const struct point *at,
                               struct term *terms, int32_t n) {
  int32_t has = 0, all = n;
  for (int32_t k = 0; k < n; k++)
    has |= 1 << terms[k].axis;
  for (int32_t axis = 0; axis < m->l->n_axes; axis++) {
    if (has >> axis & 1)
      continue;
    const int32_t digit = across_digit(m, terms[0].near, axis);
    if (digit != PVI_NOTHING)
      terms[all++] = across(m->l, &at->ray, m->factor, terms[0].near, axis, digit);
  }
  return all;
}

/* Compute a node from some of the axes that have accepted neighbours. */
static inline void compute_from_some(struct march *m, const struct point *at,
                                     const struct term *found, int32_t n) {
  struct term terms[3];
  for (int32_t k = 0; k < n; k++) {
    /* By time, so that the last to come is the first to be left out. */
    int32_t i = k;
    for (; i > 0 && terms[i - 1].time > found[k].time; i--)
      terms[i] = terms[i - 1];
    terms[i] = found[k];
  }
  double *factor = m->factor + at->node;
  uint16_t *stencil = m->stencil + at->node;
  for (; n > 0; n--) {
    const int32_t all = complete(m, at, terms, n);
    *stencil = code_of(terms, all);
    if (solve(at, terms, n, all, factor))
      return;
    *stencil = code_of(terms, n);
    if (all > n && solve(at, terms, n, n, factor))
      return;
  }
  /* The first neighbour alone, one spacing away, which is never too early. */
  const double s = m->slowness[at->node];
  *factor = (terms[0].time + m->l->spacing[terms[0].axis] * s) / at->r;
  *stencil = PVI_PLAIN | code_of(terms, 1);
}

/* Compute a node from the accepted ones about it, and return its time. `n_axes` is a constant
 * where this is called, so that loops over axes are none. */
static inline double renew(struct march *m, int32_t n_axes, int32_t node, struct place p) {
  struct point at = {.node = node, .ray = ray_to(m->l, n_axes, m->source, p)};
  const double s = m->slowness[node];
  at.r = sqrt(at.ray.square);
  at.right = at.ray.square * s * s;
  struct term terms[3];
  int32_t n = 0;
  for (int32_t axis = 0; axis < n_axes; axis++) {
    const int32_t digit = upwind_digit(m, node, axis);
    if (digit == PVI_NOTHING)
      continue;
    terms[n] = upwind(m->l, &at.ray, m->factor, node, axis, digit);
    terms[n].time = m->s.time[terms[n].near];
    n++;
  }
  if (n == n_axes && solve(&at, terms, n_axes, n_axes, m->factor + node))
    m->stencil[node] = code_of(terms, n_axes);
  else
    compute_from_some(m, &at, terms, n);
  return m->s.time[node] = at.r * m->factor[node];
}
