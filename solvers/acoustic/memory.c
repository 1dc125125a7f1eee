/* The memory of a run, before it is queued. */
#include "acoustic.h"
#include "halo.h"
#include "history.h"

int64_t pvi_memory(const pvi_config *config, int32_t n_ranks, const pvi_storage *storage) {
  int32_t dims[3];
  if (!config || pvi_decompose(config, n_ranks, dims) != PVI_OK)
    return -1;
  int64_t largest = 0;
  for (int32_t rank = 0; rank < n_ranks; rank++) {
    const int32_t at[3] = {rank / (dims[1] * dims[2]), rank / dims[2] % dims[1],
                           rank % dims[2]};
    struct geometry g;
    locate_block(config, dims, at, &g);
    int64_t file = 0, bytes = (geometry_reals(&g) + halo_reals(&g)) * (int64_t)sizeof(real);
    if (storage)
      bytes += history_bytes(&g, storage, &file);
    if (bytes > largest)
      largest = bytes;
  }
  return largest;
}
