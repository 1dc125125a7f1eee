/* The bandwidth that the access pattern of a time step gets: the limit that kernels aim at. */
#include "acoustic.h"
#include <omp.h>
#include <stdlib.h>

enum { ALIGNMENT = 64 };

static void touch(float *p, float *q, float *v, int64_t n, int32_t threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t i = 0; i < n; i++) {
    p[i] = 0.5f;
    q[i] = 0.25f;
    v[i] = 0.125f;
  }
}

static double stream(const float *restrict p, float *restrict q, const float *restrict v,
                     int64_t n, int32_t threads) {
  const double start = omp_get_wtime();
#pragma omp parallel for simd schedule(static) num_threads(threads)
  for (int64_t i = 0; i < n; i++)
    q[i] = 2 * p[i] - q[i] + v[i] * p[i];
  return omp_get_wtime() - start;
}

double pvi_bandwidth(int32_t n_threads, int64_t cells, int32_t repeats) {
  const int64_t n = cells / ALIGNMENT * ALIGNMENT;
  const size_t bytes = (size_t)n * sizeof(float);
  float *p = aligned_alloc(ALIGNMENT, bytes), *q = aligned_alloc(ALIGNMENT, bytes);
  float *v = aligned_alloc(ALIGNMENT, bytes);
  double best = 0;
  if (n > 0 && p && q && v) {
    touch(p, q, v, n, n_threads);
    for (int32_t i = 0; i < repeats; i++) {
      const double seconds = stream(p, q, v, n, n_threads);
      if (best == 0 || seconds < best)
        best = seconds;
    }
  }
  free(p), free(q), free(v);
  return best > 0 ? 4.0 * (double)bytes / best : 0;
}
