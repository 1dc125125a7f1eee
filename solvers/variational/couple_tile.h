/* The product of some couplings with all samples, into one tile. */
#pragma once
#include "real.h"
#include "tiles.h"

/* A matrix C or C^T of couplings, restricted to the offsets [first, last). */
struct couplings {
  const pvi_stencil *stencil;
  const real *coefficients;
  int32_t transposed, first, last;
};

/* out += C values in the cells of a tile, offset by offset. */
void couple_tile(const struct couplings *couplings, struct tile tile, const real *values,
                 real *out);
