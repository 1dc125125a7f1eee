/* The precision and the order in space that a library is compiled for. */
#pragma once

#if PVI_PRECISION == 64
typedef double real;
#define PVI_MPI_REAL MPI_DOUBLE
#else
typedef float real;
#define PVI_MPI_REAL MPI_FLOAT
#endif

enum {
  HALO = PVI_ORDER / 2,          /* reach of the stencils */
  LANES = 64 / (int)sizeof(real) /* reals in a cache line and a vector */
};
