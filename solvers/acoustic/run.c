/* A run begins when all ranks agree on its shot. */
#include "run.h"
#include "decompose.h"

/* FNV-1a. */
static uint64_t hash(uint64_t h, const void *data, size_t bytes) {
  const unsigned char *byte = data;
  for (size_t i = 0; i < bytes; i++)
    h = (h ^ byte[i]) * 0x100000001b3u;
  return h;
}

static uint64_t hash_points(uint64_t h, const pvi_points *points) {
  const size_t n = (size_t)points->n;
  h = hash(h, points->start, 3 * n * sizeof *points->start);
  return hash(h, points->weight, 24 * n * sizeof *points->weight);
}

static pvi_status check(const pvi_shot *shot) {
  if (!shot || !shot->wavelet)
    return PVI_BAD_POINTER;
  const pvi_points *points[2] = {&shot->source, &shot->receivers};
  for (int i = 0; i < 2; i++) {
    if (!points[i]->start || !points[i]->weight)
      return PVI_BAD_POINTER;
    if (points[i]->n < 1)
      return PVI_BAD_SHAPE;
  }
  return shot->nt < 1 ? PVI_BAD_SHAPE : PVI_OK;
}

/* Check that every rank was called with this very shot; the worst status of any. */
static pvi_status agree_shot(const struct block *block, const pvi_shot *shot, pvi_status mine) {
  if (mine == PVI_OK)
    mine = check(shot);
  if (block->n_ranks == 1)
    return mine;

  uint64_t h = 0xcbf29ce484222325u;
  if (mine == PVI_OK) {
    h = hash(h, &shot->nt, sizeof shot->nt);
    h = hash_points(hash_points(h, &shot->source), &shot->receivers);
  }
  /* The largest of h and of its complement: the same number only if all agree. */
  uint64_t both[3] = {h, ~h, (uint64_t)mine};
  MPI_Allreduce(MPI_IN_PLACE, both, 3, MPI_UINT64_T, MPI_MAX, block->comm);
  if (both[2] != PVI_OK)
    return (pvi_status)both[2];
  return both[0] == ~both[1] ? PVI_OK : PVI_RANKS_DISAGREE;
}

pvi_status run_open(const struct block *block, const pvi_shot *shot, pvi_status mine,
                    struct run *run) {
  *run = (struct run){.shot = shot};
  pvi_status status = agree_shot(block, shot, mine);
  if (status != PVI_OK)
    return status;
  double volume = 1;
  for (int axis = 0; axis < 3; axis++)
    volume *= is_flat(&block->config, axis) ? 1 : block->config.spacing[axis];
  run->inv_volume = (real)(1 / volume);
  status = points_create(&block->g, &shot->source, &run->source);
  if (status == PVI_OK)
    status = points_create(&block->g, &shot->receivers, &run->receivers);
  return agree(block, status);
}

void run_close(struct run *run) {
  points_destroy(&run->source);
  points_destroy(&run->receivers);
}

pvi_status need_second(pvi_plan *plan) {
  return plan->second.field[0] ? PVI_OK : wave_create(&plan->block, &plan->second);
}
