/* Sources and receivers: 8 x 8 x 8 weights, each rank and tile doing the cells it owns. */
#pragma once
#include "geometry.h"
#include "tile.h"

/* The part of a point that this rank owns. */
struct point {
  int32_t index;        /* in the caller's list */
  int32_t start[3];     /* local cell of weight 0 */
  int32_t lo[3], hi[3]; /* non-zero weights of cells on this rank */
  real weight[3][8];
};

struct points {
  int32_t n;
  struct point *point;
};

pvi_status points_create(const struct geometry *g, const pvi_points *all, struct points *mine);
void points_destroy(struct points *points);

/* Weighted sum of the owned part of a field. */
real sample(const struct geometry *g, const struct point *point, const real *field);

/* What points add: amplitude[index] times scale, by index in the caller's list. */
struct injection {
  const struct points *points;
  const real *amplitude;
  real scale;
};

/* For every point, in one tile: rhs += scale amplitude weight, swap += v times that. */
void inject(const struct injection *in, const struct tile *tile, const struct update *update);
