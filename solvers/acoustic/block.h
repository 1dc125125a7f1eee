/* The block of the grid that belongs to this rank, and the ranks around it. */
#pragma once
#include "geometry.h"
#include <mpi.h>

struct block {
  pvi_config config;
  struct geometry g;
  MPI_Comm comm;
  int rank, n_ranks;
  int neighbour[3][2]; /* on each side of each axis; MPI_PROC_NULL: none */
};

/* Check that all ranks hold the same usable settings, and cut the grid; `config` and `comm`
 * are set. Collective; the worst status of any rank. */
pvi_status block_create(struct block *block);

/* The worst status of any rank. Collective. */
pvi_status agree(const struct block *block, pvi_status mine);
