#include "block.h"

PVI(across)
PVI(look_up)(const PVI(plan) *plan, const PVI(wave) *wave, int axis, int32_t at) {
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &plan->g.slab[axis][side];
    if (!s->present || at < s->begin || at >= s->end)
      continue;
    const int inside = at >= s->layer_begin && at < s->layer_end;
    return (PVI(across)){inside ? PVI_IN_LAYER : PVI_NEAR_LAYER, s, &wave->layer[axis][side]};
  }
  return (PVI(across)){PVI_NO_LAYER, NULL, NULL};
}

int32_t PVI(alike)(const PVI(plan) *plan, int axis, int32_t at, int32_t limit) {
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &plan->g.slab[axis][side];
    if (!s->present)
      continue;
    const int32_t changes[4] = {s->begin, s->layer_begin, s->layer_end, s->end};
    for (int i = 0; i < 4; i++) {
      if (changes[i] > at)
        limit = PVI(smaller)(limit, changes[i]);
    }
  }
  return limit;
}

void PVI(
    for_layer_rows)(const PVI(plan) *plan, int axis, const PVI(block) *block, const PVI(step) *step,
                    PVI(row_kernel) *kernel) {
  const PVI(geometry) *g = &plan->g;
  for (int side = 0; side < 2; side++) {
    const PVI(slab) *s = &g->slab[axis][side];
    const PVI(layer) *layer = &step->wave->layer[axis][side];
    if (!s->present)
      continue;
    for (int32_t y = block->y0; y < block->y1; y++) {
      for (int32_t z = block->z0; z < block->z1; z++) {
        const int32_t at = axis == 0 ? z : y, i = at - s->begin;
        if (at < s->layer_begin || at >= s->layer_end)
          continue;
        const PVI(layer_row) row = {.a = layer->a[i],
                               .b = layer->b[i],
                               .field = PVI(in_field)(g, z, y),
                               .memory = PVI(in_slab)(s, z, y),
                               .field_stride = axis == 0 ? g->sz : g->sy,
                               .memory_stride = s->cell};
        kernel(plan, axis, layer, &row, step->p);
      }
    }
  }
}
