/* A state: all that a run needs to go on from a time step, in one array. */
#pragma once
#include "wave.h"

/* Elements of a state. */
int64_t state_reals(const struct geometry *g);

/* Copy a wave to or from a state. */
void state_save(const struct geometry *g, const struct wave *wave, real *state);
void state_restore(const struct geometry *g, const real *state, struct wave *wave);
