/* What a kernel is compiled for: each file is built for every precision and order. */
#pragma once

#define PVI_JOIN(name, bits, order) pvi_##name##_f##bits##_o##order
#define PVI_SUFFIX(name, bits, order) PVI_JOIN(name, bits, order)
#define PVI(name) PVI_SUFFIX(name, PVI_PRECISION, PVI_ORDER)

#if PVI_PRECISION == 64
typedef double real;
#define PVI_MPI_REAL MPI_DOUBLE
#else
typedef float real;
#define PVI_MPI_REAL MPI_FLOAT
#endif

enum {
  PVI_HALO = PVI_ORDER / 2,          /* reach of the stencils */
  PVI_LANES = 64 / (int)sizeof(real) /* reals in a cache line and a vector */
};
