/* The precision a kernel is compiled for: each file is built twice. */
#pragma once

#if PVI_PRECISION == 64
typedef double real;
#define PVI(name) pvi_##name##_f64
#else
typedef float real;
#define PVI(name) pvi_##name##_f32
#endif
