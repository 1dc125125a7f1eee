/* Time steps of the forward run, and with it of its derivative. */
#include "history.h"
#include "points.h"
#include "run.h"
#include "sweep.h"

/* Fewer receivers than this are not worth waking the threads. */
enum { FEW_RECEIVERS = 64 };

/* A field at the receivers, into the row of step n. */
static void record(const PVI(plan) *plan, const PVI(run) *run, const real *field, int32_t n,
                   real *traces) {
  const int32_t mine = run->receivers.n, threads = plan->config.n_threads;
  real *row = traces + (ptrdiff_t)n * run->shot->receivers.n;
#pragma omp parallel for schedule(static)                                                      \
    num_threads(threads) if (threads > 1 && mine > FEW_RECEIVERS)
  for (int32_t i = 0; i < mine; i++) {
    const PVI(point) *point = &run->receivers.point[i];
    row[point->index] = PVI(sample)(&plan->g, point, field);
  }
}

/* The derivative of the step after by dV is rhs. Taken from the step before, which the sweep
 * subtracts, so that it is there before the halo is exchanged. */
static void scatter(const PVI(plan) *plan, const real *rhs, real *field) {
  const PVI(geometry) *g = &plan->g;
  const int threads = plan->config.n_threads;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int32_t z = 0; z < g->n[0]; z++) {
    for (int32_t y = 0; y < g->n[1]; y++) {
      const ptrdiff_t cell = PVI(in_cells)(g, z, y);
      const real *restrict dv = plan->gradient + cell, *restrict right = rhs + cell;
      real *restrict swap = field + PVI(in_field)(g, z, y);
#pragma omp simd
      for (ptrdiff_t x = 0; x < g->n[2]; x++)
        swap[x] -= dv[x] * right[x];
    }
  }
}

static void advance_derivative(PVI(plan) *plan, int now, const real *rhs) {
  const PVI(sweep) sweep = {.wave = &plan->second, .now = now};
  scatter(plan, rhs, plan->second.field[1 - now]);
  PVI(sweep_forward)(plan, &sweep);
}

void PVI(advance)(PVI(plan) *plan, const PVI(run) *run, int32_t n, int32_t end, int store) {
  for (; n < end; n++) {
    real *kept = store ? PVI(history_target)(plan, n) : NULL;
    const PVI(sweep) sweep = {
        .wave = run->wave,
        .now = n % 2,
        .rhs = run->linearised && !kept ? plan->rhs : kept,
        .points = &run->source,
        .amplitude = &run->shot->wavelet[n],
        .scale = run->inv_volume,
    };
    if (run->traces)
      record(plan, run, run->wave->field[n % 2], n, run->traces);
    if (run->linearised)
      record(plan, run, plan->second.field[n % 2], n, run->linearised);
    PVI(sweep_forward)(plan, &sweep);
    if (run->linearised)
      advance_derivative(plan, n % 2, sweep.rhs);
    if (kept)
      PVI(history_put)(plan, n);
  }
  if (n + 1 == run->shot->nt && run->traces)
    record(plan, run, run->wave->field[n % 2], n, run->traces);
  if (n + 1 == run->shot->nt && run->linearised)
    record(plan, run, plan->second.field[n % 2], n, run->linearised);
}
