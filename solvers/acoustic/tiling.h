/* The block of a rank in tiles, shared out between threads and caches. */
#pragma once
#include "block.h"
#include "tile.h"

struct tiling {
  struct tile *tile;
  int32_t n, n_first; /* the first hold all cells that neighbours wait for */
};

/* Choose the tiles. Not collective. */
pvi_status tiling_create(const struct block *block, struct tiling *tiling);
void tiling_destroy(struct tiling *tiling);
