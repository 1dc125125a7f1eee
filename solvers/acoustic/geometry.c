#include "geometry.h"
#include "decompose.h"

static ptrdiff_t round_up(ptrdiff_t n) { return (n + PVI_LANES - 1) / PVI_LANES * PVI_LANES; }

/* One block of one axis. */
static void locate_axis(const pvi_config *config, int axis, int32_t parts, int32_t part,
                        PVI(geometry) *g) {
  int32_t ends[2], begin[parts + 1];
  pvi_ends(config, axis, ends);
  pvi_split(pvi_padded(config, axis), parts, ends, begin);
  g->padded[axis] = pvi_padded(config, axis);
  g->before[axis] = axis == 0 && config->free_surface ? 0 : config->n_pml;
  g->offset[axis] = begin[part];
  g->n[axis] = begin[part + 1] - begin[part];
}

/* Memory variables keep the layout of the axis they belong to: rows along x, and for the
 * layer of x itself one short row for each (z, y). */
static void locate_slab(const pvi_config *config, int axis, int side, PVI(geometry) *g) {
  PVI(slab) *s = &g->slab[axis][side];
  const int32_t n = g->n[axis], reach = config->n_pml + PVI_HALO;
  const int32_t width = axis == 2 ? (int32_t)round_up(reach) : reach; /* whole vectors */
  const int at_end = side ? g->offset[axis] + n == g->padded[axis] : g->offset[axis] == 0;
  s->present = at_end && config->n_pml > 0 && (side || g->before[axis] > 0);
  if (!s->present)
    return;

  s->begin = side ? n - width : 0;
  s->end = s->begin + width;
  s->layer_begin = side ? n - config->n_pml : 0;
  s->layer_end = s->layer_begin + config->n_pml;
  const ptrdiff_t stored = width + 2 * PVI_HALO, first = PVI_HALO - s->begin;
  if (axis == 0) {
    s->sy = g->row, s->sz = s->cell = g->n[1] * g->row;
    s->size = stored * s->sz;
  } else if (axis == 1) {
    s->sy = s->cell = g->row, s->sz = stored * g->row;
    s->size = g->n[0] * s->sz;
  } else {
    s->cell = 1, s->sy = stored, s->sz = g->n[1] * s->sy;
    s->size = g->n[0] * s->sz;
  }
  s->origin = axis == 2 ? PVI_HALO : first * s->cell;
}

void PVI(locate)(const pvi_config *config, const int32_t dims[3], const int32_t coords[3],
                 PVI(geometry) *g) {
  *g = (PVI(geometry)){0};
  for (int axis = 0; axis < 3; axis++) {
    locate_axis(config, axis, dims[axis], coords[axis], g);
  }
  const ptrdiff_t nz = g->n[0], ny = g->n[1], nx = g->n[2];
  g->row = round_up(nx);
  g->cells = nz * ny * g->row;
  /* The 4 cells before a row are the last 4 of the row before it in memory. */
  g->sy = round_up(nx + 2 * PVI_HALO);
  g->sz = (ny + 2 * PVI_HALO) * g->sy;
  g->origin = PVI_HALO * (g->sz + g->sy) + PVI_LANES;
  g->size = (nz + 2 * PVI_HALO) * g->sz + 2 * PVI_LANES;
  /* Whole vectors, unless that would overwrite what a neighbour sent. */
  g->nx_loop = dims[2] == 1 ? g->row : nx;
  for (int axis = 0; axis < 3; axis++) {
    locate_slab(config, axis, 0, g);
    locate_slab(config, axis, 1, g);
  }
}

int64_t PVI(elements)(const PVI(geometry) *g) {
  int64_t total = 3 * (int64_t)g->size + g->cells;
  for (int axis = 0; axis < 3; axis++) {
    total += 2 * (int64_t)(g->slab[axis][0].size + g->slab[axis][1].size);
  }
  return total;
}
