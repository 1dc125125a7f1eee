/* The precision that a library is compiled for. */
#pragma once

#if PVI_PRECISION == 64
typedef double real;
#else
typedef float real;
#endif
