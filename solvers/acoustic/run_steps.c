/* Time steps of the forward run, and with it of its derivative. */
#include "run.h"
#include "step.h"

/* Fewer receivers than this are not worth waking the threads. */
enum { FEW_RECEIVERS = 64 };

/* A field at the receivers, into the row of step n. */
static void record(const pvi_plan *plan, const struct run *run, const real *field, int32_t n,
                   real *traces) {
  const int32_t mine = run->receivers.n, threads = plan->block.config.n_threads;
  real *row = traces + (ptrdiff_t)n * run->shot->receivers.n;
#pragma omp parallel for schedule(static)                                                      \
    num_threads(threads) if (threads > 1 && mine > FEW_RECEIVERS)
  for (int32_t i = 0; i < mine; i++) {
    const struct point *point = &run->receivers.point[i];
    row[point->index] = sample(&plan->block.g, point, field);
  }
}

/* The derivative of the step after by dV is rhs. Taken from the step before, which the step
 * subtracts, so that it is there before the halo is exchanged. */
static void scatter(const pvi_plan *plan, const real *rhs, real *field) {
  const struct geometry *g = &plan->block.g;
  const int threads = plan->block.config.n_threads;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int32_t z = 0; z < g->n[0]; z++) {
    for (int32_t y = 0; y < g->n[1]; y++) {
      const ptrdiff_t cell = in_cells(g, z, y);
      const real *restrict dv = plan->gradient + cell, *restrict right = rhs + cell;
      real *restrict swap = field + in_field(g, z, y);
#pragma omp simd
      for (ptrdiff_t x = 0; x < g->n[2]; x++)
        swap[x] -= dv[x] * right[x];
    }
  }
}

static void step_derivative(pvi_plan *plan, int now, const real *rhs) {
  const struct step step = {.wave = &plan->second, .now = now};
  scatter(plan, rhs, plan->second.field[1 - now]);
  step_forward(plan, &step);
}

/* Traces of step n, of the wavefield and of its derivative. */
static void record_all(const pvi_plan *plan, const struct run *run, int32_t n) {
  if (run->traces)
    record(plan, run, run->wave->field[n % 2], n, run->traces);
  if (run->linearised)
    record(plan, run, plan->second.field[n % 2], n, run->linearised);
}

void run_steps(pvi_plan *plan, const struct run *run, int32_t n, int32_t end, int store) {
  for (; n < end; n++) {
    real *kept = store ? history_target(&plan->history, n) : NULL;
    const struct step step = {
        .wave = run->wave,
        .now = n % 2,
        .rhs = run->linearised && !kept ? plan->rhs : kept,
        .injection = {&run->source, &run->shot->wavelet[n], run->inv_volume},
    };
    record_all(plan, run, n);
    step_forward(plan, &step);
    if (run->linearised)
      step_derivative(plan, n % 2, step.rhs);
    if (kept)
      history_put(&plan->history, n);
  }
  if (n + 1 == run->shot->nt)
    record_all(plan, run, n);
}
