/* The time loop of the forward run. */
#include "halo.h"
#include "points.h"
#include "run.h"
#include "steps.h"
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

/* Record step n and advance to step n + 1. */
static void advance(PVI(plan) *plan, const run *r, int32_t n, real *rhs) {
  const double *h = plan->config.spacing;
  const PVI(step) step = {plan->field[n % 2], plan->field[1 - n % 2], rhs};
  const PVI(
      injection) source = {&r->wavelet[n], (real)(1 / (h[0] * h[1] * h[2])), step.swap, rhs};
  const int last = n + 1 == r->nt;
#pragma omp parallel num_threads(plan->config.n_threads) if (plan -> config.n_threads > 1)
  {
#pragma omp for schedule(static) nowait
    for (int32_t i = 0; i < r->receivers.n; i++) {
      const PVI(point) *point = &r->receivers.point[i];
      r->traces[(ptrdiff_t)n * r->n_rec + point->index] = PVI(sample)(&plan->g, point, step.p);
    }
#pragma omp for schedule(static)
    for (int32_t i = 0; i < plan->n_tiles; i++) {
      if (last)
        continue;
      PVI(forward_tile)(plan, &plan->tile[i], &step);
      PVI(inject)(plan, &plan->tile[i], &r->source, &source);
    }
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
  const real *field = plan->field[(r->nt - 1) % 2];
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
    memset(traces, 0, (size_t)nt * (size_t)r.n_rec * sizeof *traces);
    PVI(reset)(plan);
    for (int32_t n = 0; n < nt; n++) {
      PVI(refresh)(plan, n % 2);
      advance(plan, &r, n, store ? plan->history + n * (int64_t)plan->g.cells : NULL);
    }
    status = collect(plan, &r);
  }
  if (status == PVI_OK && store)
    plan->stored = nt;
  PVI(points_destroy)(&r.source);
  PVI(points_destroy)(&r.receivers);
  return status;
}
