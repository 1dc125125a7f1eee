/* Settings are compared between ranks before any of them relies on them. */
#include "block.h"
#include "acoustic.h"
#include "decompose.h"
#include <string.h>

pvi_status agree(const struct block *block, pvi_status mine) {
  int worst = (int)mine;
  if (block->n_ranks > 1) {
    MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_INT, MPI_MAX, block->comm);
  }
  return (pvi_status)worst;
}

static pvi_status check(const pvi_config *c) {
  for (int axis = 0; axis < 3; axis++) {
    if (c->shape[axis] < 8 && !is_flat(c, axis))
      return PVI_BAD_SHAPE;
    if (!(c->spacing[axis] > 0))
      return PVI_BAD_VALUE;
  }
  if (c->order != PVI_ORDER)
    return PVI_BAD_VALUE;
  if (c->n_pml < 0)
    return PVI_BAD_SHAPE;
  if (!(c->dt > 0) || !(c->pml_velocity > 0) || !(c->pml_frequency > 0))
    return PVI_BAD_VALUE;
  return c->n_threads < 1 ? PVI_BAD_VALUE : PVI_OK;
}

static pvi_status check_everywhere(const struct block *block) {
  pvi_config root = block->config;
  MPI_Bcast(&root, (int)sizeof root, MPI_BYTE, 0, block->comm);
  const int same = memcmp(&root, &block->config, sizeof root) == 0;
  const pvi_status status = agree(block, same ? PVI_OK : PVI_RANKS_DISAGREE);
  return status == PVI_OK ? check(&block->config) : status;
}

static void find_place(struct block *block, const int32_t dims[3]) {
  const int rank = block->rank;
  const int32_t at[3] = {rank / (dims[1] * dims[2]), rank / dims[2] % dims[1], rank % dims[2]};
  const int32_t stride[3] = {dims[1] * dims[2], dims[2], 1};
  locate_block(&block->config, dims, at, &block->g);
  for (int axis = 0; axis < 3; axis++) {
    const int first = at[axis] == 0, last = at[axis] == dims[axis] - 1;
    block->neighbour[axis][0] = first ? MPI_PROC_NULL : rank - stride[axis];
    block->neighbour[axis][1] = last ? MPI_PROC_NULL : rank + stride[axis];
  }
}

pvi_status block_create(struct block *block) {
  int32_t dims[3];
  MPI_Comm_rank(block->comm, &block->rank);
  MPI_Comm_size(block->comm, &block->n_ranks);
  pvi_status status = check_everywhere(block);
  if (status == PVI_OK)
    status = pvi_decompose(&block->config, block->n_ranks, dims);
  if (status == PVI_OK)
    find_place(block, dims);
  return status;
}
