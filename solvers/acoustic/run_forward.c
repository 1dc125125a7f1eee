/* The forward run, and Born modelling: the same with the derivative beside it. */
#include "arrays.h"
#include "model.h"
#include "run.h"
#include <math.h>
#include <string.h>

/* All segments, from rest. */
static void run_all(pvi_plan *plan, const struct run *run, int store) {
  wave_reset(&plan->block, run->wave);
  if (run->linearised)
    wave_reset(&plan->block, &plan->second);
  plan->history.n_saved = 0;
  plan->history.held = -1;
  if (store) {
    run_segments(plan, run, 0, plan->history.n_segments);
  } else {
    run_steps(plan, run, 0, run->shot->nt - 1, 0);
  }
}

/* Sum the parts of every receiver over the ranks; NaN and infinity survive the sum. */
static int sum_traces(const struct block *block, const pvi_shot *shot, real *traces) {
  const int32_t n_rec = shot->receivers.n;
  const ptrdiff_t samples = (ptrdiff_t)shot->nt * n_rec;
  if (block->n_ranks > 1) {
    for (int32_t n = 0; n < shot->nt; n++) {
      real *row = traces + (ptrdiff_t)n * n_rec;
      MPI_Allreduce(MPI_IN_PLACE, row, n_rec, PVI_MPI_REAL, MPI_SUM, block->comm);
    }
  }
  int finite = 1;
  for (ptrdiff_t i = 0; i < samples; i++)
    finite &= isfinite(traces[i]) != 0;
  return finite;
}

/* The status of a run whose traces and last field are finite on every rank. */
static pvi_status sum_all(const pvi_plan *plan, const struct run *run) {
  int finite = sum_traces(&plan->block, run->shot, run->traces);
  if (run->linearised)
    finite &= sum_traces(&plan->block, run->shot, run->linearised);
  const real *field = run->wave->field[(run->shot->nt - 1) % 2];
  for (ptrdiff_t i = 0; i < plan->block.g.size; i++)
    finite &= isfinite(field[i]) != 0;
  return agree(&plan->block, finite ? PVI_OK : PVI_NOT_FINITE);
}

static pvi_status run_forward(pvi_plan *plan, struct run *run, int store) {
  const pvi_shot *shot = run->shot;
  const size_t samples = (size_t)shot->nt * (size_t)shot->receivers.n;
  run->wave = &plan->wave;
  plan->stored = 0;
  memset(run->traces, 0, samples * sizeof(real));
  if (run->linearised)
    memset(run->linearised, 0, samples * sizeof(real));
  run_all(plan, run, store);
  const pvi_status status = sum_all(plan, run);
  if (status == PVI_OK && store)
    plan->stored = shot->nt;
  return status;
}

/* A run can only be kept by a storage made for its length. */
static pvi_status check(const pvi_plan *plan, const pvi_shot *shot, int32_t store) {
  return shot && store && plan->history.set.nt != shot->nt ? PVI_NO_STORAGE : PVI_OK;
}

pvi_status pvi_forward(pvi_plan *plan, const pvi_shot *shot, int32_t store, real *traces) {
  if (!plan)
    return PVI_BAD_POINTER;
  struct run run;
  const pvi_status mine = traces ? check(plan, shot, store) : PVI_BAD_POINTER;
  pvi_status status = run_open(&plan->block, shot, mine, &run);
  run.traces = traces;
  if (status == PVI_OK)
    status = run_forward(plan, &run, store);
  run_close(&run);
  return status;
}

/* Only Born modelling needs the second wave, a right-hand side, and dV. */
static pvi_status prepare_born(pvi_plan *plan, const real *direction) {
  pvi_status status = need_second(plan);
  if (status == PVI_OK && !plan->rhs &&
      !(plan->rhs = zeros(plan->block.g.cells, plan->block.config.n_threads)))
    status = PVI_NO_MEMORY;
  if (status == PVI_OK)
    linearise(plan, direction);
  return agree(&plan->block, status);
}

pvi_status pvi_born(pvi_plan *plan, const pvi_shot *shot, const real *direction, int32_t store,
                    real *traces, real *linearised) {
  if (!plan)
    return PVI_BAD_POINTER;
  struct run run;
  pvi_status mine = traces && linearised && direction ? PVI_OK : PVI_BAD_POINTER;
  if (mine == PVI_OK)
    mine = check(plan, shot, store);
  pvi_status status = run_open(&plan->block, shot, mine, &run);
  if (status == PVI_OK)
    status = prepare_born(plan, direction);
  run.traces = traces;
  run.linearised = linearised;
  if (status == PVI_OK)
    status = run_forward(plan, &run, store);
  run_close(&run);
  return status;
}
