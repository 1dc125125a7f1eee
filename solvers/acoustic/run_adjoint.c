/* The adjoint run, with the gradient. */
#include "arrays.h"
#include "model.h"
#include "run.h"
#include "step.h"
#include <math.h>
#include <string.h>

struct adjoint {
  const struct run *run; /* the forward run, and its points */
  const real *residual;  /* [nt][n_rec] */
  real *by_wavelet;      /* [nt] */
};

/* Receivers inject what their residual is at step n. */
static struct injection injection_of(const struct adjoint *a, int32_t n) {
  const ptrdiff_t n_rec = a->run->shot->receivers.n;
  return (struct injection){&a->run->receivers, a->residual + n * n_rec, 1};
}

/* At rest, but for the residual of the last sample. */
static void begin(pvi_plan *plan, const struct adjoint *a) {
  const struct geometry *g = &plan->block.g;
  const int32_t nt = a->run->shot->nt;
  wave_reset(&plan->block, &plan->wave);
  clear(plan->gradient, g->cells, plan->block.config.n_threads);
  memset(a->by_wavelet, 0, (size_t)nt * sizeof(real));
  const struct injection injection = injection_of(a, nt - 1);
  const struct tile all = {0, g->n[0], 0, g->n[1]};
  const struct update update = {
      .g = g, .equation = &plan->equation, .swap = plan->wave.field[nt % 2]};
  inject(&injection, &all, &update);
  halo_refresh(&plan->block, &plan->wave.halo, nt % 2);
}

/* From w at step n + 1, in field[n % 2], to w at step n. */
static void step_back(pvi_plan *plan, const struct adjoint *a, int32_t n) {
  const struct run *run = a->run;
  const struct step step = {
      .wave = &plan->wave,
      .now = n % 2,
      .rhs = history_get(&plan->history, n),
      .injection = injection_of(a, n),
  };
  if (run->source.n) {
    const real *w = plan->wave.field[n % 2];
    a->by_wavelet[n] = run->inv_volume * sample(&plan->block.g, run->source.point, w);
  }
  step_adjoint(plan, &step);
}

/* Segments and their steps from the last to the first. */
static void run_adjoint(pvi_plan *plan, const struct adjoint *a) {
  const struct history *h = &plan->history;
  const int32_t last = a->run->shot->nt - 1;
  begin(plan, a);
  for (int32_t segment = h->n_segments - 1; segment >= 0; segment--) {
    const int32_t first = segment * h->set.segment, end = first + h->set.segment;
    if (h->held != segment)
      rerun_segment(plan, a->run, segment);
    for (int32_t n = (end < last ? end : last) - 1; n >= first; n--)
      step_back(plan, a, n);
  }
}

/* The sum over ranks, on rank 0; not finite on any rank is an error on all. */
static pvi_status sum_gradient(const pvi_plan *plan, const struct adjoint *a,
                               double *gradient) {
  const struct block *block = &plan->block;
  const int32_t *shape = block->config.shape;
  const ptrdiff_t plane = (ptrdiff_t)shape[1] * shape[2], n = shape[0] * plane;
  fold_gradient(plan, plan->history.set.every, gradient);
  int finite = 1;
  for (ptrdiff_t i = 0; i < n; i++)
    finite &= isfinite(gradient[i]) != 0;
  if (block->n_ranks > 1) {
    for (int32_t z = 0; z < shape[0]; z++) {
      double *part = gradient + z * plane;
      const void *from = block->rank == 0 ? MPI_IN_PLACE : part;
      MPI_Reduce(from, part, (int)plane, MPI_DOUBLE, MPI_SUM, 0, block->comm);
    }
    MPI_Allreduce(MPI_IN_PLACE, a->by_wavelet, a->run->shot->nt, PVI_MPI_REAL, MPI_SUM,
                  block->comm);
  }
  return agree(block, finite ? PVI_OK : PVI_NOT_FINITE);
}

pvi_status pvi_adjoint(pvi_plan *plan, const pvi_shot *shot, const real *residual,
                       double *gradient, real *by_wavelet) {
  if (!plan)
    return PVI_BAD_POINTER;
  pvi_status mine = residual && gradient && by_wavelet ? PVI_OK : PVI_BAD_POINTER;
  if (mine == PVI_OK && (!shot || plan->stored != shot->nt))
    mine = PVI_NO_FORWARD;
  struct run run;
  pvi_status status = run_open(&plan->block, shot, mine, &run);
  if (status == PVI_OK && plan->history.n_segments > 1)
    status = need_second(plan);
  if (status == PVI_OK) {
    const struct adjoint a = {&run, residual, by_wavelet};
    run_adjoint(plan, &a);
    status = sum_gradient(plan, &a, gradient);
  }
  run_close(&run);
  return status;
}
