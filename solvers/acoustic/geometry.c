/* Blocks and layers as index arithmetic: rows begin on cache lines. */
#include "geometry.h"
#include "decompose.h"

static ptrdiff_t round_up(ptrdiff_t n) { return (n + LANES - 1) / LANES * LANES; }

/* One block of one axis. */
static void locate_axis(const pvi_config *config, int axis, int32_t parts, int32_t part,
                        struct geometry *g) {
  int32_t ends[2], begin[parts + 1];
  end_cells(config, axis, ends);
  split_axis(padded_cells(config, axis), parts, HALO, ends, begin);
  g->padded[axis] = padded_cells(config, axis);
  g->before[axis] = layer_cells(config, axis, 0);
  g->offset[axis] = begin[part];
  g->n[axis] = begin[part + 1] - begin[part];
}

static void locate_x(int side, const struct geometry *g, int32_t n_pml, struct slab *s) {
  const int32_t half = LANES / 2, end = side ? g->n[2] : n_pml + 2;
  s->begin = side ? (g->n[2] - n_pml - 2) / half * half : 0;
  s->end = (end + half - 1) / half * half;
  s->cell = 1, s->sy = s->end - s->begin, s->sz = g->n[1] * s->sy;
  s->origin = LANES;
  s->size = g->n[0] * s->sz + 2 * LANES;
}

/* Memory variables keep the layout of the axis they belong to: rows along x, and for the
 * layer of x itself one short row for each (z, y). */
static void locate_slab(const pvi_config *config, int axis, int side, struct geometry *g) {
  struct slab *s = &g->slab[axis][side];
  const int32_t n = g->n[axis], width = config->n_pml + 1;
  const int at_end = side ? g->offset[axis] + n == g->padded[axis] : g->offset[axis] == 0;
  s->present = at_end && layer_cells(config, axis, side) > 0;
  if (!s->present)
    return;
  if (axis == 2) {
    locate_x(side, g, config->n_pml, s);
    return;
  }
  s->begin = side ? n - width : 0;
  s->end = s->begin + width;
  s->sy = g->row;
  s->sz = (axis == 0 ? g->n[1] : width + 2) * g->row;
  s->cell = axis == 0 ? s->sz : s->sy;
  s->size = (axis == 0 ? width + 2 : g->n[0]) * s->sz;
  s->origin = (1 - s->begin) * s->cell;
}

void locate_block(const pvi_config *config, const int32_t dims[3], const int32_t coords[3],
                  struct geometry *g) {
  *g = (struct geometry){0};
  for (int axis = 0; axis < 3; axis++) {
    locate_axis(config, axis, dims[axis], coords[axis], g);
  }
  const ptrdiff_t nz = g->n[0], ny = g->n[1], nx = g->n[2];
  g->row = round_up(nx);
  g->cells = nz * ny * g->row;
  /* The halo before a row lies at the end of the row before it in memory, behind all that
   * whole vectors reach. */
  const int cut = dims[2] > 1;
  g->sy = cut ? round_up(g->row + 2 * HALO) : round_up(nx + HALO);
  g->section = is_flat(config, 1);
  const ptrdiff_t beside = g->section ? 0 : HALO; /* rows of halo along y */
  g->sz = (ny + 2 * beside) * g->sy;
  g->origin = HALO * g->sz + beside * g->sy + LANES;
  g->size = (nz + 2 * HALO) * g->sz + 2 * LANES;
  for (int axis = 0; axis < 3; axis++) {
    locate_slab(config, axis, 0, g);
    locate_slab(config, axis, 1, g);
  }
}

int64_t geometry_reals(const struct geometry *g) {
  int64_t total = 3 * (int64_t)g->size + g->cells;
  for (int axis = 0; axis < 3; axis++) {
    total += 2 * (int64_t)(g->slab[axis][0].size + g->slab[axis][1].size);
  }
  return total;
}
