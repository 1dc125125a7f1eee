#include "wave.h"
#include "halo.h"
#include <stdlib.h>

static pvi_status create_layer(const PVI(plan) *plan, int axis, int side, PVI(layer) *layer) {
  const PVI(slab) *s = &plan->g.slab[axis][side];
  if (!s->present)
    return PVI_OK;
  layer->psi = PVI(zeros)(s->size, plan->config.n_threads);
  layer->zeta = PVI(zeros)(s->size, plan->config.n_threads);
  return layer->psi && layer->zeta ? PVI_OK : PVI_NO_MEMORY;
}

pvi_status PVI(wave_create)(const PVI(plan) *plan, PVI(wave) *wave) {
  pvi_status status = PVI_OK;
  *wave = (PVI(wave)){0};
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2 && status == PVI_OK; side++)
      status = create_layer(plan, axis, side, &wave->layer[axis][side]);
  }
  wave->field[0] = PVI(zeros)(plan->g.size, plan->config.n_threads);
  wave->field[1] = PVI(zeros)(plan->g.size, plan->config.n_threads);
  if (!wave->field[0] || !wave->field[1])
    status = PVI_NO_MEMORY;
  if (status == PVI_OK)
    status = PVI(halo_allocate)(plan, wave);
  status = PVI(agree)(plan, status);
  if (status == PVI_OK) {
    PVI(halo_create)(plan, wave);
  } else {
    PVI(wave_destroy)(wave);
  }
  return status;
}

void PVI(wave_destroy)(PVI(wave) *wave) {
  PVI(halo_destroy)(wave);
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2; side++) {
      PVI(layer) *layer = &wave->layer[axis][side];
      free(layer->psi), free(layer->zeta);
    }
  }
  free(wave->field[0]), free(wave->field[1]);
  *wave = (PVI(wave)){0};
}

void PVI(wave_reset)(const PVI(plan) *plan, PVI(wave) *wave) {
  const int n_threads = plan->config.n_threads;
  PVI(clear)(wave->field[0], plan->g.size, n_threads);
  PVI(clear)(wave->field[1], plan->g.size, n_threads);
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2; side++) {
      const PVI(slab) *s = &plan->g.slab[axis][side];
      if (!s->present)
        continue;
      PVI(clear)(wave->layer[axis][side].psi, s->size, n_threads);
      PVI(clear)(wave->layer[axis][side].zeta, s->size, n_threads);
    }
  }
}
