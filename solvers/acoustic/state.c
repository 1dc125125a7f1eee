/* The arrays of a wave, one after the other. */
#include "state.h"
#include <string.h>

int64_t state_reals(const struct geometry *g) {
  int64_t total = 2 * (int64_t)g->size;
  for (int axis = 0; axis < 3; axis++) {
    total += 2 * (int64_t)(g->slab[axis][0].size + g->slab[axis][1].size);
  }
  return total;
}

enum { ARRAYS = 14 };

/* The arrays of a wave and their elements, in the order of a state. */
static void list_arrays(const struct geometry *g, const struct wave *wave, real *array[ARRAYS],
                        ptrdiff_t n[ARRAYS]) {
  int i = 0;
  for (int k = 0; k < 2; k++, i++) {
    array[i] = wave->field[k];
    n[i] = g->size;
  }
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2; side++, i += 2) {
      array[i] = wave->layer[axis][side].psi;
      array[i + 1] = wave->layer[axis][side].zeta;
      n[i] = n[i + 1] = g->slab[axis][side].size;
    }
  }
}

void state_save(const struct geometry *g, const struct wave *wave, real *state) {
  real *array[ARRAYS];
  ptrdiff_t n[ARRAYS];
  list_arrays(g, wave, array, n);
  for (int i = 0; i < ARRAYS; state += n[i++]) {
    if (n[i] > 0)
      memcpy(state, array[i], (size_t)n[i] * sizeof(real));
  }
}

void state_restore(const struct geometry *g, const real *state, struct wave *wave) {
  real *array[ARRAYS];
  ptrdiff_t n[ARRAYS];
  list_arrays(g, wave, array, n);
  for (int i = 0; i < ARRAYS; state += n[i++]) {
    if (n[i] > 0)
      memcpy(array[i], state, (size_t)n[i] * sizeof(real));
  }
}
