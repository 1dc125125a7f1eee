/* The axes of more than one node, and the cells that points are in. */
#include "lattice.h"

struct lattice make_lattice(const pvi_eikonal_grid *grid) {
  struct lattice l = {.n_axes = 0, .origin = 0, .n = 1};
  int32_t used[3], n = 0;
  for (int32_t a = 0; a < 3; a++)
    if (grid->shape[a] > 1)
      used[n++] = a;
  l.n_axes = n;
  for (int32_t k = n - 1; k >= 0; k--) {
    l.axis[k] = used[k];
    l.shape[k] = grid->shape[used[k]];
    l.spacing[k] = grid->spacing[used[k]];
    l.inverse[k] = 1 / l.spacing[k];
    l.padded[k] = l.shape[k] + 2 * PVI_MARGIN;
    l.stride[k] = (int32_t)l.n;
    l.origin += PVI_MARGIN * l.stride[k];
    l.n *= l.padded[k];
    if (l.n > INT32_MAX || !(l.spacing[k] > 0))
      l.n_axes = 0;
  }
  for (int32_t a = 0; a < 3; a++)
    if (grid->shape[a] < 1)
      l.n_axes = 0;
  return l;
}

struct corners corners_of(const struct lattice *l, const double *position) {
  struct corners c = {.n = 1};
  c.node[0] = l->origin;
  c.weight[0] = 1;
  for (int32_t k = 0; k < l->n_axes; k++) {
    const double at = position[l->axis[k]] / l->spacing[k];
    const double last = l->shape[k] - 1;
    const double inside = at < 0 ? 0 : at > last ? last : at;
    int32_t i = (int32_t)inside;
    if (i > l->shape[k] - 2)
      i = l->shape[k] - 2;
    const double part = inside - i;
    const int32_t n = c.n;
    for (int32_t j = 0; j < n; j++) {
      c.node[j] += i * l->stride[k];
      if (part > 0) {
        c.node[c.n] = c.node[j] + l->stride[k];
        c.weight[c.n++] = part * c.weight[j];
      }
      c.weight[j] *= 1 - part;
    }
  }
  /* Corners of weight 0 would make nodes wanted that nothing depends on. */
  int32_t kept = 0;
  for (int32_t j = 0; j < c.n; j++)
    if (c.weight[j] > 0) {
      c.node[kept] = c.node[j];
      c.weight[kept++] = c.weight[j];
    }
  c.n = kept;
  return c;
}
