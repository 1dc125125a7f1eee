/* What a run will need, before it is queued. */
#include "acoustic.h"
#include "decompose.h"
#include "geometry.h"

int64_t PVI(memory)(const pvi_config *config, int32_t n_ranks, int32_t nt, int32_t n_rec) {
  int32_t dims[3];
  if (!config || pvi_decompose(config, n_ranks, dims) != PVI_OK)
    return -1;
  int64_t largest = 0;
  for (int32_t rank = 0; rank < n_ranks; rank++) {
    const int32_t at[3] = {rank / (dims[1] * dims[2]), rank / dims[2] % dims[1],
                           rank % dims[2]};
    PVI(geometry) g;
    PVI(locate)(config, dims, at, &g);
    const int64_t steps = nt > 1 ? nt - 1 : 0;
    const int64_t reals = PVI(elements)(&g) + steps * g.cells + (int64_t)nt * n_rec;
    if (reals > largest)
      largest = reals;
  }
  const int64_t shape = (int64_t)config->shape[0] * config->shape[1] * config->shape[2];
  return largest * (int64_t)sizeof(real) + shape * (int64_t)(sizeof(double) + sizeof(real));
}
