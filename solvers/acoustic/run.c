#include "run.h"

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

static pvi_status check_points(const pvi_points *points) {
  if (!points || !points->start || !points->weight)
    return PVI_BAD_POINTER;
  return points->n < 1 ? PVI_BAD_SHAPE : PVI_OK;
}

pvi_status
PVI(agree_call)(const PVI(plan) *plan, pvi_status mine, int32_t nt, const pvi_points *source,
                      const pvi_points *receivers) {
  if (mine == PVI_OK && nt < 1)
    mine = PVI_BAD_SHAPE;
  if (mine == PVI_OK)
    mine = check_points(source);
  if (mine == PVI_OK)
    mine = check_points(receivers);
  if (plan->n_ranks == 1)
    return mine;

  uint64_t h = hash(0xcbf29ce484222325u, &nt, sizeof nt);
  if (mine == PVI_OK)
    h = hash_points(hash_points(h, source), receivers);
  /* The largest of h and of its complement: the same number only if all agree. */
  uint64_t both[3] = {h, ~h, (uint64_t)mine};
  MPI_Allreduce(MPI_IN_PLACE, both, 3, MPI_UINT64_T, MPI_MAX, plan->comm);
  if (both[2] != PVI_OK)
    return (pvi_status)both[2];
  return both[0] == ~both[1] ? PVI_OK : PVI_RANKS_DISAGREE;
}
