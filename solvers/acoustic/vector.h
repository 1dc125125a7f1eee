/* Vectors of reals along x, in the vector extension of gcc and clang. */
#pragma once
#include "real.h"
#include <stddef.h>

#if defined(__AVX512F__)
#define PVI_VECTOR_BYTES 64
#elif defined(__AVX__)
#define PVI_VECTOR_BYTES 32
#else
#define PVI_VECTOR_BYTES 16
#endif

enum { PVI_WIDTH = PVI_VECTOR_BYTES / (int)sizeof(real) };
typedef real PVI(vector) __attribute__((vector_size(PVI_VECTOR_BYTES), may_alias));
typedef real PVI(unaligned)
    __attribute__((vector_size(PVI_VECTOR_BYTES), aligned(sizeof(real)), may_alias));

#define PVI_INLINE static inline __attribute__((always_inline))

PVI_INLINE PVI(vector) PVI(load)(const real *x) { return *(const PVI(vector) *)x; }
PVI_INLINE void PVI(store)(real *x, PVI(vector) value) { *(PVI(vector) *)x = value; }

/* A vector of a row and its neighbours, so that a row is read once. */
typedef struct {
  PVI(vector) before, here, after;
} PVI(window);

/* The vector k cells further; `row` is where the window's `here` was read. With 512 bits a read
 * across cache lines costs two, a shuffle nothing: 1.7 times the throughput in cache. */
#if PVI_VECTOR_BYTES == 64 && !defined(__clang__)
#if PVI_PRECISION == 64
typedef long long PVI( lanes) __attribute__((vector_size(64)));
static const PVI( lanes) PVI( count) = {0, 1, 2, 3, 4, 5, 6, 7};
#else
typedef int PVI( lanes) __attribute__((vector_size(64)));
static const PVI( lanes) PVI( count) = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#endif
PVI_INLINE PVI( vector) PVI( shifted)(const PVI( window) *w, const real *row, int k) {
  (void)row;
  return k > 0 ? __builtin_shuffle(w->here, w->after, PVI( count) + k)
               : __builtin_shuffle(w->before, w->here, PVI( count) + (k + PVI_WIDTH));
}
#else
PVI_INLINE PVI( vector) PVI( shifted)(const PVI( window) *w, const real *row, int k) {
  (void)w;
  return *(const PVI( unaligned) *)(row + k);
}
#endif
