/* A wavefield begins at rest; runs that share a plan share its arrays, one after the other. */
#include "wave.h"
#include "arrays.h"
#include <stdlib.h>

static pvi_status create_layer(const struct slab *s, int n_threads, struct layer *layer) {
  if (!s->present)
    return PVI_OK;
  layer->psi = zeros(s->size, n_threads);
  layer->zeta = zeros(s->size, n_threads);
  return layer->psi && layer->zeta ? PVI_OK : PVI_NO_MEMORY;
}

pvi_status wave_create(const struct block *block, struct wave *wave) {
  const struct geometry *g = &block->g;
  const int n_threads = block->config.n_threads;
  pvi_status status = PVI_OK;
  *wave = (struct wave){0};
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2 && status == PVI_OK; side++)
      status = create_layer(&g->slab[axis][side], n_threads, &wave->layer[axis][side]);
  }
  wave->field[0] = zeros(g->size, n_threads);
  wave->field[1] = zeros(g->size, n_threads);
  if (!wave->field[0] || !wave->field[1])
    status = PVI_NO_MEMORY;
  if (status == PVI_OK)
    status = halo_allocate(block, &wave->halo);
  status = agree(block, status);
  if (status == PVI_OK) {
    halo_create(block, wave->field, &wave->halo);
  } else {
    wave_destroy(wave);
  }
  return status;
}

void wave_destroy(struct wave *wave) {
  halo_destroy(&wave->halo);
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2; side++) {
      struct layer *layer = &wave->layer[axis][side];
      free(layer->psi), free(layer->zeta);
    }
  }
  free(wave->field[0]), free(wave->field[1]);
  *wave = (struct wave){0};
}

void wave_reset(const struct block *block, struct wave *wave) {
  const struct geometry *g = &block->g;
  const int n_threads = block->config.n_threads;
  clear(wave->field[0], g->size, n_threads);
  clear(wave->field[1], g->size, n_threads);
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2; side++) {
      const struct slab *s = &g->slab[axis][side];
      if (!s->present)
        continue;
      clear(wave->layer[axis][side].psi, s->size, n_threads);
      clear(wave->layer[axis][side].zeta, s->size, n_threads);
    }
  }
}
