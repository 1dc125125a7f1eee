/* A row is packed block by block, each by its largest value. */
#include "packed.h"
#include <math.h>

/* Scales of all rows, then the numbers of all rows. */
struct layout {
  ptrdiff_t rows, blocks, row; /* rows, scales of a row, numbers of a row */
};

static struct layout layout_of(const struct geometry *g) {
  const ptrdiff_t blocks = (g->n[2] + PACKED_CELLS - 1) / PACKED_CELLS;
  return (struct layout){(ptrdiff_t)g->n[0] * g->n[1], blocks, (g->n[2] + 7) / 8 * 8};
}

static ptrdiff_t scale_bytes(const struct layout *l) {
  return (l->rows * l->blocks * (ptrdiff_t)sizeof(float) + 63) / 64 * 64;
}

int64_t pvi_packed_bytes(const struct geometry *g) {
  const struct layout l = layout_of(g);
  return scale_bytes(&l) + l.rows * l.row * (ptrdiff_t)sizeof(int16_t);
}

/* A block whose largest value is too small for a scale becomes zero. */
static float pack_block(ptrdiff_t n, const real *restrict from, int16_t *restrict to) {
  real largest = 0;
#pragma omp simd reduction(max : largest)
  for (ptrdiff_t i = 0; i < n; i++) {
    const real size = from[i] < 0 ? -from[i] : from[i];
    largest = size > largest ? size : largest;
  }
  const float scale = (float)largest / 32767.0f;
  const real inverse = scale > 1e-36f ? (real)1 / (real)scale : 0;
#pragma omp simd
  for (ptrdiff_t i = 0; i < n; i++) {
    const float value = (float)(from[i] * inverse);
    to[i] = (int16_t)(int32_t)(value + (value < 0 ? -0.5f : 0.5f));
  }
  return inverse > 0 ? scale : 0;
}

void pvi_pack(const struct geometry *g, int n_threads, const real *rhs, void *packed) {
  const struct layout l = layout_of(g);
  float *scale = packed;
  int16_t *number = (int16_t *)((char *)packed + scale_bytes(&l));
#pragma omp parallel for schedule(static) num_threads(n_threads) if (n_threads > 1)
  for (ptrdiff_t r = 0; r < l.rows; r++) {
    for (ptrdiff_t b = 0; b < l.blocks; b++) {
      const ptrdiff_t x = b * PACKED_CELLS, left = g->n[2] - x;
      const ptrdiff_t n = left < PACKED_CELLS ? left : PACKED_CELLS;
      scale[r * l.blocks + b] = pack_block(n, rhs + r * g->row + x, number + r * l.row + x);
    }
  }
}

void pvi_unpack(const struct geometry *g, int n_threads, const void *packed, real *rhs) {
  const struct layout l = layout_of(g);
  const float *scale = packed;
  const int16_t *number = (const int16_t *)((const char *)packed + scale_bytes(&l));
#pragma omp parallel for schedule(static) num_threads(n_threads) if (n_threads > 1)
  for (ptrdiff_t r = 0; r < l.rows; r++) {
    for (ptrdiff_t b = 0; b < l.blocks; b++) {
      const ptrdiff_t x = b * PACKED_CELLS, left = g->n[2] - x;
      const ptrdiff_t n = left < PACKED_CELLS ? left : PACKED_CELLS;
      const real factor = (real)scale[r * l.blocks + b];
      const int16_t *restrict from = number + r * l.row + x;
      real *restrict to = rhs + r * g->row + x;
#pragma omp simd
      for (ptrdiff_t i = 0; i < n; i++)
        to[i] = factor * (real)from[i];
    }
  }
}
