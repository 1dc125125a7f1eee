/* Right-hand sides in 16 bits: whole numbers times one scale for every 64 cells of a row.
 *
 * The error of a value is at most 1 / 65534 of the largest of its 64. */
#pragma once
#include "geometry.h"

enum { PVI_PACKED_CELLS = 64 };

int64_t PVI(packed_bytes)(const PVI(geometry) *g);
void PVI(pack)(const PVI(geometry) *g, int n_threads, const real *rhs, void *packed);
void PVI(unpack)(const PVI(geometry) *g, int n_threads, const void *packed, real *rhs);
