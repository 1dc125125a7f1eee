/* Each rank finds the points that its cells have weights of, once for a run. */
#include "points.h"
#include <stdlib.h>

static int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }
static int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }

/* Clip one axis to this block and to the non-zero weights; 0 if nothing is left. */
static int clip(const struct geometry *g, int axis, const double *weight, struct point *p) {
  int32_t lo = larger(0, -p->start[axis]), hi = smaller(8, g->n[axis] - p->start[axis]);
  while (lo < hi && weight[lo] == 0)
    lo++;
  while (lo < hi && weight[hi - 1] == 0)
    hi--;
  for (int k = 0; k < 8; k++)
    p->weight[axis][k] = (real)weight[k];
  p->lo[axis] = lo;
  p->hi[axis] = hi;
  return lo < hi;
}

pvi_status points_create(const struct geometry *g, const pvi_points *all, struct points *mine) {
  mine->n = 0;
  mine->point = calloc((size_t)larger(all->n, 1), sizeof *mine->point);
  if (!mine->point)
    return PVI_NO_MEMORY;
  for (int32_t i = 0; i < all->n; i++) {
    struct point *p = &mine->point[mine->n];
    p->index = i;
    int inside = 1;
    for (int axis = 0; axis < 3; axis++) {
      p->start[axis] = all->start[3 * i + axis] + g->before[axis] - g->offset[axis];
      inside &= clip(g, axis, all->weight + 8 * (3 * (ptrdiff_t)i + axis), p);
    }
    mine->n += inside;
  }
  return PVI_OK;
}

void points_destroy(struct points *points) {
  free(points->point);
  *points = (struct points){0};
}

real sample(const struct geometry *g, const struct point *p, const real *field) {
  real sum = 0;
  for (int32_t z = p->lo[0]; z < p->hi[0]; z++) {
    for (int32_t y = p->lo[1]; y < p->hi[1]; y++) {
      const real *row = field + in_field(g, p->start[0] + z, p->start[1] + y);
      const real *cells = row + p->start[2];
      real along = 0;
      for (int32_t x = p->lo[2]; x < p->hi[2]; x++)
        along += p->weight[2][x] * cells[x];
      sum += p->weight[0][z] * p->weight[1][y] * along;
    }
  }
  return sum;
}

static void inject_row(const struct point *p, ptrdiff_t z, ptrdiff_t y, real amount,
                       const struct update *u) {
  const ptrdiff_t cell = in_field(u->g, z, y) + p->start[2];
  const ptrdiff_t right = in_cells(u->g, z, y) + p->start[2];
  for (int32_t x = p->lo[2]; x < p->hi[2]; x++) {
    const real value = amount * p->weight[2][x];
    u->swap[cell + x] += u->equation->v[cell + x] * value;
    if (u->rhs)
      u->rhs[right + x] += value;
  }
}

void inject(const struct injection *in, const struct tile *tile, const struct update *update) {
  for (int32_t i = 0; i < in->points->n; i++) {
    const struct point *p = &in->points->point[i];
    const real amount = in->scale * in->amplitude[p->index];
    const int32_t z0 = larger(p->start[0] + p->lo[0], tile->z0);
    const int32_t z1 = smaller(p->start[0] + p->hi[0], tile->z1);
    const int32_t y0 = larger(p->start[1] + p->lo[1], tile->y0);
    const int32_t y1 = smaller(p->start[1] + p->hi[1], tile->y1);
    for (int32_t z = z0; z < z1; z++) {
      const real on_plane = amount * p->weight[0][z - p->start[0]];
      for (int32_t y = y0; y < y1; y++)
        inject_row(p, z, y, on_plane * p->weight[1][y - p->start[1]], update);
    }
  }
}
