/* What the factor of a node was computed from, in 16 bits.
 *
 * Three bits for each axis: nothing; the neighbour below or above, or two in line there (second
 * order), for an upwind difference; or a difference across, between the neighbours of another
 * axis' near node, where the time has its least value along the axis between two nodes.
 */
#pragma once
#include "lattice.h"

enum {
  PVI_NOTHING = 0,
  PVI_BELOW_1,
  PVI_BELOW_2,
  PVI_ABOVE_1,
  PVI_ABOVE_2,
  PVI_ACROSS,       /* between both neighbours of the anchor */
  PVI_ACROSS_BELOW, /* between the anchor and its neighbour below */
  PVI_ACROSS_ABOVE
};

enum {
  PVI_DIGIT_BITS = 3,
  PVI_DIGIT = 7,
  PVI_ANCHOR_SHIFT = 9,   /* two bits: the axis whose near node is the anchor */
  PVI_PLAIN = 1 << 14,    /* one neighbour, not factored */
  PVI_AT_SOURCE = 1 << 15 /* the mean of slowness at both ends of the ray */
};

static inline int32_t digit_of(uint16_t stencil, int32_t axis) {
  return stencil >> (PVI_DIGIT_BITS * axis) & PVI_DIGIT;
}

static inline int32_t anchor_of(uint16_t stencil) { return stencil >> PVI_ANCHOR_SHIFT & 3; }

/* The neighbour that an upwind digit begins with. */
static inline int32_t step_of(const struct lattice *l, int32_t axis, int32_t digit) {
  return digit >= PVI_ABOVE_1 ? l->stride[axis] : -l->stride[axis];
}

/* One axis of a stencil: r times the derivative of T = r tau, upwind ones with the sign that
 * makes them positive, is `a tau - b`, `b` from the factors of two nodes (far < 0: of one). The
 * factor of r saves its root. */
struct term {
  double a, b, time;        /* time: of the near node, where the digit is upwind */
  double per_near, per_far; /* derivative of b by the factors of the nodes */
  int32_t near, far, axis, digit;
};

/* Return the term of an axis with an upwind difference. */
static inline struct term upwind(const struct lattice *l, const struct ray *ray,
                                 const double *factor, int32_t node, int32_t axis,
                                 int32_t digit) {
  const int second = digit == PVI_BELOW_2 || digit == PVI_ABOVE_2;
  const int32_t step = step_of(l, axis, digit);
  const double by = ray->square * l->inverse[axis], d = ray->d[axis];
  struct term t = {.near = node + step, .far = -1, .digit = digit, .axis = axis};
  t.a = (second ? 1.5 * by : by) + (digit >= PVI_ABOVE_1 ? -d : d);
  t.per_near = second ? 2 * by : by;
  t.per_far = second ? -0.5 * by : 0;
  t.b = t.per_near * factor[t.near];
  if (second) {
    t.far = t.near + step;
    t.b += t.per_far * factor[t.far];
  }
  return t;
}

/* Return the term of an axis with a difference across, at an anchor. */
static inline struct term across(const struct lattice *l, const struct ray *ray,
                                 const double *factor, int32_t anchor, int32_t axis,
                                 int32_t digit) {
  const double part = digit == PVI_ACROSS ? 0.5 : 1.0;
  const double by = ray->square * l->inverse[axis] * part;
  const int32_t step = l->stride[axis];
  struct term t = {.axis = axis, .digit = digit, .a = ray->d[axis]};
  t.near = digit == PVI_ACROSS_BELOW ? anchor : anchor + step;
  t.far = digit == PVI_ACROSS_ABOVE ? anchor : anchor - step;
  t.per_near = -by;
  t.per_far = by;
  t.b = by * (factor[t.far] - factor[t.near]);
  return t;
}
