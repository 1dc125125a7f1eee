/* Rows that are advanced one after the other, without asking again which layers act on them. */
#pragma once
#include "row.h"
#include "tile.h"

/* Rows of up to PLANES planes that see the layers of z and y alike. */
struct strip {
  int32_t z, n_z, y0, y1;
  int in_z[PLANES], in_y; /* which side of the layer of an axis acts on them; -1: none */
};

/* Advance a strip: field, memory variables and gradient. */
void strip_step(const struct strip *strip, const struct update *update);
