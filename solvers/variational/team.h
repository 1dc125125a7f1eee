/* How many threads a loop is worth: waking one costs more than a few tiles do. */
#pragma once
#include <stdint.h>

static inline int32_t team_size(int32_t n_threads, int64_t pieces) {
  return pieces < n_threads ? (int32_t)(pieces > 1 ? pieces : 1) : n_threads;
}
