/* Right-hand sides in 16 bits: whole numbers times one scale for every 64 cells of a row.
 *
 * The error of a value is at most 1 / 65534 of the largest of its 64. Exported for
 * tests/numerics/test_packed_kernel.py alone. */
#pragma once
#include "geometry.h"
#pragma GCC visibility push(default)

enum { PACKED_CELLS = 64 };

int64_t pvi_packed_bytes(const struct geometry *g);
void pvi_pack(const struct geometry *g, int n_threads, const real *rhs, void *packed);
void pvi_unpack(const struct geometry *g, int n_threads, const void *packed, real *rhs);

#pragma GCC visibility pop
