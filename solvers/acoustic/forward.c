/* The time loop of the forward run. */
#include "points.h"
#include "run.h"
#include "sweep.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Room for the right-hand sides of nt - 1 steps; kept for the next shot, grows only. */
static pvi_status reserve(PVI(plan) *plan, int32_t nt) {
  const int64_t steps = nt > 1 ? nt - 1 : 1;
  if (plan->history_steps >= steps)
    return PVI_OK;
  free(plan->history);
  plan->history = PVI(zeros)(steps * plan->g.cells);
  plan->history_steps = plan->history ? steps : 0;
  return plan->history ? PVI_OK : PVI_NO_MEMORY;
}

typedef struct {
  int32_t nt, n_rec;
  const real *wavelet;
  real *traces;
  PVI(points) source, receivers;
} run;

/* Pressure of step n at the receivers. */
static void record(const PVI(plan) *plan, const run *r, int32_t n) {
  const real *p = plan->wave.field[n % 2];
#pragma omp parallel for schedule(static)                                                      \
    num_threads(plan->config.n_threads) if (plan->config.n_threads > 1)
  for (int32_t i = 0; i < r->receivers.n; i++) {
    const PVI(point) *point = &r->receivers.point[i];
    r->traces[(ptrdiff_t)n * r->n_rec + point->index] = PVI(sample)(&plan->g, point, p);
  }
}

/* Record every step and advance to the next. */
static void march(PVI(plan) *plan, const run *r, int store) {
  const double *h = plan->config.spacing;
  memset(r->traces, 0, (size_t)r->nt * (size_t)r->n_rec * sizeof *r->traces);
  PVI(wave_reset)(plan, &plan->wave);
  for (int32_t n = 0; n < r->nt; n++) {
    const PVI(sweep) sweep = {
        .wave = &plan->wave,
        .now = n % 2,
        .rhs = store ? plan->history + n * (int64_t)plan->g.cells : NULL,
        .points = &r->source,
        .amplitude = &r->wavelet[n],
        .scale = (real)(1 / (h[0] * h[1] * h[2])),
    };
    record(plan, r, n);
    if (n + 1 < r->nt)
      PVI(sweep_forward)(plan, &sweep);
  }
}

/* Sum the parts of every receiver over the ranks; NaN and infinity survive the sum. */
static pvi_status collect(const PVI(plan) *plan, const run *r) {
  const ptrdiff_t samples = (ptrdiff_t)r->nt * r->n_rec;
  if (plan->n_ranks > 1) {
    for (int32_t n = 0; n < r->nt; n++) {
      real *row = r->traces + (ptrdiff_t)n * r->n_rec;
      MPI_Allreduce(MPI_IN_PLACE, row, r->n_rec, PVI_MPI_REAL, MPI_SUM, plan->comm);
    }
  }
  int finite = 1;
  for (ptrdiff_t i = 0; i < samples; i++)
    finite &= isfinite(r->traces[i]) != 0;
  const real *field = plan->wave.field[(r->nt - 1) % 2];
  for (ptrdiff_t i = 0; i < plan->g.size; i++)
    finite &= isfinite(field[i]) != 0;
  return PVI(agree)(plan, finite ? PVI_OK : PVI_NOT_FINITE);
}

static pvi_status prepare(
    PVI(plan) *plan, const pvi_points *source, const pvi_points *receivers,
                          int32_t store, run *r) {
  pvi_status status = PVI(points_create)(plan, source, &r->source);
  if (status == PVI_OK)
    status = PVI(points_create)(plan, receivers, &r->receivers);
  if (status == PVI_OK && store)
    status = reserve(plan, r->nt);
  return PVI(agree)(plan, status);
}

pvi_status PVI(forward)(
    PVI(plan) *plan, int32_t nt, const pvi_points *source, const real *wavelet,
                   const pvi_points *receivers, int32_t store, real *traces) {
  if (!plan)
    return PVI_BAD_POINTER;
  const pvi_status mine = wavelet && traces ? PVI_OK : PVI_BAD_POINTER;
  pvi_status status = PVI(agree_call)(plan, mine, nt, source, receivers);
  if (status != PVI_OK)
    return status;
  run r = {.nt = nt, .n_rec = receivers->n, .wavelet = wavelet, .traces = traces};
  plan->stored = 0;
  status = prepare(plan, source, receivers, store, &r);
  if (status == PVI_OK) {
    march(plan, &r, store);
    status = collect(plan, &r);
  }
  if (status == PVI_OK && store)
    plan->stored = nt;
  PVI(points_destroy)(&r.source);
  PVI(points_destroy)(&r.receivers);
  return status;
}
