/* The part of a time step that one thread does by itself. */
#pragma once
#include "equation.h"
#include "wave.h"

/* Rows [y0, y1) of planes [z0, z1). A tile that touches the layer owns all cells it acts on,
 * as a block does. */
struct tile {
  int32_t z0, z1, y0, y1;
};

/* What a time step reads and writes, the same for all tiles. */
struct update {
  const struct geometry *g;
  const struct equation *equation;
  const struct wave *wave; /* its memory variables change */
  const real *p;           /* at this step */
  real *swap;              /* from the step before to the step after */
  real *rhs;               /* [cells] takes the right-hand side; NULL: nothing does */
  const real *kept;        /* [cells] right-hand side of a forward step; NULL: none, else */
  real *gradient;          /* [cells] takes p kept */
  int adjoint;             /* 1: the transposed step */
};

/* Advance a tile, planes from top to bottom, rows in memory order. */
void tile_step(const struct tile *tile, const struct update *update);
