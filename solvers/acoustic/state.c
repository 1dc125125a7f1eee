/* A state: what a run needs to go on from a time step. */
#include "history.h"
#include <string.h>

int64_t PVI(state_reals)(const PVI(geometry) *g) {
  int64_t total = 2 * (int64_t)g->size;
  for (int axis = 0; axis < 3; axis++) {
    total += 2 * (int64_t)(g->slab[axis][0].size + g->slab[axis][1].size);
  }
  return total;
}

/* The arrays of a wave and their elements, in the order of a state. */
enum { ARRAYS = 14 };
static void list(const PVI(plan) *plan, const PVI(wave) *wave, real *array[ARRAYS], ptrdiff_t n[ARRAYS]) {
  int i = 0;
  for (int k = 0; k < 2; k++, i++) {
    array[i] = wave->field[k];
    n[i] = plan->g.size;
  }
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2; side++, i += 2) {
      array[i] = wave->layer[axis][side].psi;
      array[i + 1] = wave->layer[axis][side].zeta;
      n[i] = n[i + 1] = plan->g.slab[axis][side].size;
    }
  }
}

void PVI(state_save)(const PVI(plan) *plan, const PVI(wave) *wave, real *state) {
  real *array[ARRAYS];
  ptrdiff_t n[ARRAYS];
  list(plan, wave, array, n);
  for (int i = 0; i < ARRAYS; state += n[i++]) {
    if (n[i] > 0)
      memcpy(state, array[i], (size_t)n[i] * sizeof(real));
  }
}

void PVI(state_restore)(const PVI(plan) *plan, const real *state, PVI(wave) *wave) {
  real *array[ARRAYS];
  ptrdiff_t n[ARRAYS];
  list(plan, wave, array, n);
  for (int i = 0; i < ARRAYS; state += n[i++]) {
    if (n[i] > 0)
      memcpy(array[i], state, (size_t)n[i] * sizeof(real));
  }
}
