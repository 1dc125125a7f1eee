/* Vectors of reals along x, in the vector extension of gcc and clang. */
#pragma once
#include "real.h"
#include <stddef.h>

/* Files that define PVI_NARROW get vectors half as wide: layers along x are a few vectors. */
#if defined(__AVX512F__) && !defined(PVI_NARROW)
#define PVI_VECTOR_BYTES 64
#elif defined(__AVX__)
#define PVI_VECTOR_BYTES 32
#else
#define PVI_VECTOR_BYTES 16
#endif

enum { WIDTH = PVI_VECTOR_BYTES / (int)sizeof(real) };
typedef real vector __attribute__((vector_size(PVI_VECTOR_BYTES), may_alias));
typedef real unaligned
    __attribute__((vector_size(PVI_VECTOR_BYTES), aligned(sizeof(real)), may_alias));

#define PVI_INLINE static inline __attribute__((always_inline))

PVI_INLINE vector load(const real *x) { return *(const vector *)x; }
PVI_INLINE void store(real *x, vector value) { *(vector *)x = value; }

/* A vector of a row and its neighbours, so that a row is read once. */
struct window {
  vector before, here, after;
};

PVI_INLINE struct window window_at(const real *x) {
  return (struct window){load(x - WIDTH), load(x), load(x + WIDTH)};
}

#if PVI_PRECISION == 64
typedef long long lanes __attribute__((vector_size(PVI_VECTOR_BYTES)));
#else
typedef int lanes __attribute__((vector_size(PVI_VECTOR_BYTES)));
#endif

/* Elements [k, k + width) of two vectors, one after the other; k is known to the compiler. */
PVI_INLINE vector taken(vector first, vector second, int k) {
#if defined(__clang__)
  vector result;
#pragma GCC unroll 16
  for (int i = 0; i < WIDTH; i++)
    result[i] = i + k < WIDTH ? first[i + k] : second[i + k - WIDTH];
  return result;
#else
  lanes from;
#pragma GCC unroll 16
  for (int i = 0; i < WIDTH; i++)
    from[i] = i + k;
  return __builtin_shuffle(first, second, from);
#endif
}

/* The vector k cells further; `row` is where the window's `here` was read. With 512 bits a read
 * across cache lines costs two, a shuffle nothing: 1.7 times the throughput in cache. */
PVI_INLINE vector shifted(const struct window *w, const real *row, int k) {
#if PVI_VECTOR_BYTES == 64 && !defined(__clang__)
  (void)row;
  return k > 0 ? taken(w->here, w->after, k) : taken(w->before, w->here, k + WIDTH);
#else
  (void)w;
  return *(const unaligned *)(row + k);
#endif
}
