/* Numbers below 1e-38 ahead of the wavefront cost up to 100 cycles each: let them be zero. */
#pragma once
#if defined(__SSE__)
#include <xmmintrin.h>
/* Flush results, and read operands, as zero; returns what to give back afterwards. */
static inline unsigned flush_denormals(void) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040u);
  return before;
}
static inline void restore_denormals(unsigned before) { _mm_setcsr(before); }
#else
static inline unsigned flush_denormals(void) { return 0; }
static inline void restore_denormals(unsigned before) { (void)before; }
#endif
