/* Large arrays on a cache line; to be given back with free(). */
#pragma once
#include "real.h"
#include <stddef.h>
#include <stdint.h>

/* n reals, zero or not set; NULL if there is no memory. Zeros are written by all threads, so
 * that the pages lie near all of them. */
void *zeros(int64_t n, int n_threads);
void *unset(int64_t n);
void clear(real *memory, ptrdiff_t n, int n_threads);
