/* The forward run, and Born modelling: the same with the derivative beside it. */
#include "history.h"
#include "model.h"
#include "run.h"
#include "wave.h"
#include <math.h>
#include <string.h>

/* All steps, from rest. */
static void march(PVI(plan) *plan, const PVI(run) *run, int store) {
  PVI(wave_reset)(plan, run->wave);
  if (run->linearised)
    PVI(wave_reset)(plan, &plan->second);
  plan->history.n_saved = 0;
  plan->history.held = -1;
  if (store) {
    PVI(climb)(plan, run, 0, plan->history.n_segments);
  } else {
    PVI(advance)(plan, run, 0, run->shot->nt - 1, 0);
  }
}

/* Sum the parts of every receiver over the ranks; NaN and infinity survive the sum. */
static int collect_traces(const PVI(plan) *plan, const PVI(shot) *shot, real *traces) {
  const int32_t n_rec = shot->receivers.n;
  const ptrdiff_t samples = (ptrdiff_t)shot->nt * n_rec;
  if (plan->n_ranks > 1) {
    for (int32_t n = 0; n < shot->nt; n++) {
      real *row = traces + (ptrdiff_t)n * n_rec;
      MPI_Allreduce(MPI_IN_PLACE, row, n_rec, PVI_MPI_REAL, MPI_SUM, plan->comm);
    }
  }
  int finite = 1;
  for (ptrdiff_t i = 0; i < samples; i++)
    finite &= isfinite(traces[i]) != 0;
  return finite;
}

static pvi_status collect(const PVI(plan) *plan, const PVI(run) *run) {
  int finite = collect_traces(plan, run->shot, run->traces);
  if (run->linearised)
    finite &= collect_traces(plan, run->shot, run->linearised);
  const real *field = run->wave->field[(run->shot->nt - 1) % 2];
  for (ptrdiff_t i = 0; i < plan->g.size; i++)
    finite &= isfinite(field[i]) != 0;
  return PVI(agree)(plan, finite ? PVI_OK : PVI_NOT_FINITE);
}

static pvi_status propagate(PVI(plan) *plan, PVI(run) *run, int store) {
  const PVI(shot) *shot = run->shot;
  const size_t samples = (size_t)shot->nt * (size_t)shot->receivers.n;
  run->wave = &plan->wave;
  plan->stored = 0;
  memset(run->traces, 0, samples * sizeof(real));
  if (run->linearised)
    memset(run->linearised, 0, samples * sizeof(real));
  march(plan, run, store);
  const pvi_status status = collect(plan, run);
  if (status == PVI_OK && store)
    plan->stored = shot->nt;
  return status;
}

/* A run can only be kept by a storage made for its length. */
static pvi_status check(const PVI(plan) *plan, const PVI(shot) *shot, int32_t store) {
  return shot && store && plan->history.set.nt != shot->nt ? PVI_NO_STORAGE : PVI_OK;
}

pvi_status PVI(forward)(PVI(plan) *plan, const PVI(shot) *shot, int32_t store, real *traces) {
  if (!plan)
    return PVI_BAD_POINTER;
  PVI(run) run;
  const pvi_status mine = traces ? check(plan, shot, store) : PVI_BAD_POINTER;
  pvi_status status = PVI(run_open)(plan, shot, mine, &run);
  run.traces = traces;
  if (status == PVI_OK)
    status = propagate(plan, &run, store);
  PVI(run_close)(&run);
  return status;
}

/* What only Born modelling needs: the second wave, a right-hand side, dV. */
static pvi_status prepare(PVI(plan) *plan, const real *direction) {
  pvi_status status = PVI(need_second)(plan);
  if (status == PVI_OK && !plan->rhs &&
      !(plan->rhs = PVI(zeros)(plan->g.cells, plan->config.n_threads)))
    status = PVI_NO_MEMORY;
  if (status == PVI_OK)
    PVI(linearise)(plan, direction);
  return PVI(agree)(plan, status);
}

pvi_status PVI(born)(
    PVI(plan) *plan, const PVI(shot) *shot, const real *direction, int32_t store,
                real *traces, real *linearised) {
  if (!plan)
    return PVI_BAD_POINTER;
  PVI(run) run;
  pvi_status mine = traces && linearised && direction ? PVI_OK : PVI_BAD_POINTER;
  if (mine == PVI_OK)
    mine = check(plan, shot, store);
  pvi_status status = PVI(run_open)(plan, shot, mine, &run);
  if (status == PVI_OK)
    status = prepare(plan, direction);
  run.traces = traces;
  run.linearised = linearised;
  if (status == PVI_OK)
    status = propagate(plan, &run, store);
  PVI(run_close)(&run);
  return status;
}
