/* The axes of more than one node, and where a node and a point are. */
#pragma once
#include "eikonal_types.h"
#include <math.h>
#include <stddef.h>

/* Nodes of the margin on each side of an axis. */
#define PVI_MARGIN 2
/* Corners of a cell. */
#define PVI_CORNERS 8

struct lattice {
  int32_t n_axes;
  int32_t shape[3];  /* without the margin, of the axes that there are */
  int32_t axis[3];   /* which of z, y, x it is */
  int32_t stride[3]; /* between neighbours */
  int32_t padded[3]; /* with the margin */
  int32_t origin;    /* index of node (0, 0, 0) */
  int64_t n;         /* nodes with the margin */
  double spacing[3], inverse[3];
};

/* Indices of a node along the axes, or a position in units of length. */
struct place {
  int32_t i[3];
};

/* Linear interpolation: the corners of the cell that a point is in, and their weights. */
struct corners {
  int32_t node[PVI_CORNERS];
  double weight[PVI_CORNERS];
  int32_t n;
};

/* Zero axes where the grid is none. */
struct lattice make_lattice(const pvi_eikonal_grid *grid);

/* The corners with weights other than 0 of the cell around a position (z, y, x). */
struct corners corners_of(const struct lattice *l, const double *position);

static inline struct place place_of(const struct lattice *l, int32_t node) {
  struct place p = {{0, 0, 0}};
  uint32_t rest = (uint32_t)node;
  for (int32_t k = 0; k < l->n_axes; k++) {
    const uint32_t stride = (uint32_t)l->stride[k];
    const uint32_t i = rest / stride;
    rest -= i * stride;
    p.i[k] = (int32_t)i - PVI_MARGIN;
  }
  return p;
}

/* From a source to a node, along the axes that there are, and its squared length. */
struct ray {
  double d[3], square;
};

static inline struct ray ray_to(const struct lattice *l, int32_t n_axes, const double *source,
                                struct place p) {
  struct ray ray = {{0, 0, 0}, 0};
  for (int32_t k = 0; k < n_axes; k++) {
    ray.d[k] = l->spacing[k] * p.i[k] - source[l->axis[k]];
    ray.square += ray.d[k] * ray.d[k];
  }
  return ray;
}
