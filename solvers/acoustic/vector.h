/* Vectors of reals along x, in the vector extension of gcc and clang. */
#pragma once
#include "real.h"
#include <stddef.h>

/* PVI_NARROW: half as wide, for layers along x, which are a few vectors. */
#if defined(__AVX512F__) && !defined(PVI_NARROW)
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

PVI_INLINE PVI(window) PVI(window_at)(const real *x) {
  return (PVI(window)){PVI(load)(x - PVI_WIDTH), PVI(load)(x), PVI(load)(x + PVI_WIDTH)};
}

#if PVI_PRECISION == 64
typedef long long PVI( lanes) __attribute__((vector_size(PVI_VECTOR_BYTES)));
#else
typedef int PVI( lanes) __attribute__((vector_size(PVI_VECTOR_BYTES)));
#endif

/* Elements [k, k + width) of two vectors, one after the other; k is known to the compiler. */
PVI_INLINE PVI(vector) PVI(taken)(PVI(vector) first, PVI(vector) second, int k) {
#if defined(__clang__)
  PVI(
  vector) result;
#pragma GCC unroll 16
  for (int i = 0; i < PVI_WIDTH; i++)
    result[i] = i + k < PVI_WIDTH ? first[i + k] : second[i + k - PVI_WIDTH];
  return result;
#else
  PVI(
  lanes) from;
#pragma GCC unroll 16
  for (int i = 0; i < PVI_WIDTH; i++)
    from[i] = i + k;
  return __builtin_shuffle(first, second, from);
#endif
}

/* The vector k cells further; `row` is where the window's `here` was read. With 512 bits a read
 * across cache lines costs two, a shuffle nothing: 1.7 times the throughput in cache. */
PVI_INLINE PVI(vector) PVI(shifted)(const PVI(window) *w, const real *row, int k) {
#if PVI_VECTOR_BYTES == 64 && !defined(__clang__)
  (void)row;
  return k > 0 ? PVI( taken)(w->here, w->after, k) : PVI( taken)(w->before, w->here, k + PVI_WIDTH);
#else
  (void)w;
  return *(const PVI( unaligned) *)(row + k);
#endif
}
