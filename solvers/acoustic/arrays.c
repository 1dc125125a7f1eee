/* Large arrays: where they begin, and which thread touches them first. */
#include "arrays.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static size_t whole_lines(int64_t n) { return ((size_t)n * sizeof(real) + 64) / 64 * 64; }

/* Large arrays ask for large pages: the planes of a stencil are many small ones. */
void *unset(int64_t n) {
  const size_t bytes = whole_lines(n), large = 2u << 20;
  void *memory = NULL;
  if (posix_memalign(&memory, bytes < 2 * large ? 64 : large, bytes) != 0)
    return NULL;
#ifdef MADV_HUGEPAGE
  if (bytes >= 2 * large)
    madvise(memory, bytes / large * large, MADV_HUGEPAGE); /* a wish: may fail */
#endif
  return memory;
}

void clear(real *memory, ptrdiff_t n, int n_threads) {
  enum { PIECE = 1 << 16 };
#pragma omp parallel for schedule(static) num_threads(n_threads) if (n_threads > 1)
  for (ptrdiff_t i = 0; i < n; i += PIECE)
    memset(memory + i, 0, (size_t)(n - i < PIECE ? n - i : PIECE) * sizeof(real));
}

void *zeros(int64_t n, int n_threads) {
  void *memory = unset(n);
  if (memory)
    clear(memory, (ptrdiff_t)(whole_lines(n) / sizeof(real)), n_threads);
  return memory;
}
