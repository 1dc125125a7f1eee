/* The state of one wavefield on one rank: two time levels and the layer's memory. */
#pragma once
#include "halo.h"

/* Memory variables of one side of the layer of an axis; NULL if the block does not touch it. */
struct layer {
  real *psi, *zeta;
};

struct wave {
  real *field[2]; /* this time step and the one before or after it */
  struct layer layer[3][2];
  struct halo halo;
};

/* Allocate all of it as zero, and its persistent halo exchange. Collective. */
pvi_status wave_create(const struct block *block, struct wave *wave);
void wave_destroy(struct wave *wave);

/* At rest: all fields and memory variables zero, halo included. */
void wave_reset(const struct block *block, struct wave *wave);
