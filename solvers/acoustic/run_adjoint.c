/* The adjoint run, with the gradient. */
#include "history.h"
#include "model.h"
#include "points.h"
#include "run.h"
#include "sweep.h"
#include "wave.h"
#include <math.h>
#include <string.h>

typedef struct {
  const PVI(run) *run;
  const real *residual; /* [nt][n_rec] */
  real *by_wavelet;     /* [nt] */
} backward;

/* From w at step n + 1, in field[n % 2], to w at step n. */
static void retreat(PVI(plan) *plan, const backward *b, int32_t n) {
  const PVI(run) *run = b->run;
  const PVI(sweep) sweep = {
      .wave = &plan->wave,
      .now = n % 2,
      .rhs = PVI(history_get)(plan, n),
      .points = &run->receivers,
      .amplitude = b->residual + (ptrdiff_t)n * run->shot->receivers.n,
      .scale = 1,
  };
  if (run->source.n) {
    const real *w = plan->wave.field[n % 2];
    b->by_wavelet[n] = run->inv_volume * PVI(sample)(&plan->g, run->source.point, w);
  }
  PVI(sweep_adjoint)(plan, &sweep);
}

static void march(PVI(plan) *plan, const backward *b) {
  const PVI(history) *h = &plan->history;
  const int32_t nt = b->run->shot->nt, last = nt - 1;
  PVI(wave_reset)(plan, &plan->wave);
  PVI(clear)(plan->gradient, plan->g.cells, plan->config.n_threads);
  memset(b->by_wavelet, 0, (size_t)nt * sizeof(real));
  const real *residual = b->residual + (ptrdiff_t)last * b->run->shot->receivers.n;
  const PVI(injection) in = {residual, 1, plan->wave.field[nt % 2], NULL};
  for (int32_t i = 0; i < plan->n_tiles; i++)
    PVI(inject)(plan, &plan->tile[i], &b->run->receivers, &in);
  PVI(refresh)(plan, &plan->wave, nt % 2);

  for (int32_t segment = h->n_segments - 1; segment >= 0; segment--) {
    const int32_t begin = segment * h->set.segment, end = begin + h->set.segment;
    if (h->held != segment)
      PVI(replay)(plan, b->run, segment);
    for (int32_t n = (end < last ? end : last) - 1; n >= begin; n--)
      retreat(plan, b, n);
  }
}

/* The sum over ranks, on rank 0; not finite on any rank is an error on all. */
static pvi_status collect(const PVI(plan) *plan, const backward *b, double *gradient) {
  const int32_t *shape = plan->config.shape;
  const ptrdiff_t plane = (ptrdiff_t)shape[1] * shape[2], n = shape[0] * plane;
  PVI(fold_gradient)(plan, plan->history.set.every, gradient);
  int finite = 1;
  for (ptrdiff_t i = 0; i < n; i++)
    finite &= isfinite(gradient[i]) != 0;
  if (plan->n_ranks > 1) {
    for (int32_t z = 0; z < shape[0]; z++) {
      double *part = gradient + z * plane;
      const void *from = plan->rank == 0 ? MPI_IN_PLACE : part;
      MPI_Reduce(from, part, (int)plane, MPI_DOUBLE, MPI_SUM, 0, plan->comm);
    }
    MPI_Allreduce(MPI_IN_PLACE, b->by_wavelet, b->run->shot->nt, PVI_MPI_REAL, MPI_SUM,
                  plan->comm);
  }
  return PVI(agree)(plan, finite ? PVI_OK : PVI_NOT_FINITE);
}

pvi_status PVI(adjoint)(
    PVI(plan) *plan, const PVI(shot) *shot, const real *residual, double *gradient,
                   real *by_wavelet) {
  if (!plan)
    return PVI_BAD_POINTER;
  pvi_status mine = residual && gradient && by_wavelet ? PVI_OK : PVI_BAD_POINTER;
  if (mine == PVI_OK && (!shot || plan->stored != shot->nt))
    mine = PVI_NO_FORWARD;
  PVI(run) run;
  pvi_status status = PVI(run_open)(plan, shot, mine, &run);
  if (status == PVI_OK && plan->history.n_segments > 1)
    status = PVI(need_second)(plan);
  if (status == PVI_OK) {
    const backward b = {&run, residual, by_wavelet};
    march(plan, &b);
    status = collect(plan, &b, gradient);
  }
  PVI(run_close)(&run);
  return status;
}
