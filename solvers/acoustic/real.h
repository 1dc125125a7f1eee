/* The precision a kernel is compiled for: each file is built twice. */
#pragma once

#if PVI_PRECISION == 64
typedef double real;
#define PVI(name) pvi_##name##_f64
#define PVI_MPI_REAL MPI_DOUBLE
#else
typedef float real;
#define PVI(name) pvi_##name##_f32
#define PVI_MPI_REAL MPI_FLOAT
#endif

enum {
  PVI_HALO = 4,                      /* reach of the stencils */
  PVI_LANES = 64 / (int)sizeof(real) /* reals in a cache line and a vector */
};
