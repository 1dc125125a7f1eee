/* What a run will need, before it is queued. */
#include "acoustic.h"
#include "decompose.h"
#include "halo.h"
#include "history.h"

int64_t PVI(memory)(const pvi_config *config, int32_t n_ranks, const pvi_storage *storage) {
  int32_t dims[3];
  if (!config || pvi_decompose(config, n_ranks, dims) != PVI_OK)
    return -1;
  int64_t largest = 0;
  for (int32_t rank = 0; rank < n_ranks; rank++) {
    const int32_t at[3] = {rank / (dims[1] * dims[2]), rank / dims[2] % dims[1],
                           rank % dims[2]};
    PVI(geometry) g;
    PVI(locate)(config, dims, at, &g);
    int64_t file = 0, bytes = (PVI(elements)(&g) + PVI(halo_reals)(&g)) * (int64_t)sizeof(real);
    if (storage)
      bytes += PVI(history_bytes)(&g, storage, &file);
    if (bytes > largest)
      largest = bytes;
  }
  return largest;
}
