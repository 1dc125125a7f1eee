/* The time loop of the adjoint run. */
#include "model.h"
#include "points.h"
#include "run.h"
#include "sweep.h"
#include <math.h>
#include <string.h>

typedef struct {
  int32_t nt, n_rec;
  const real *residual;
  real *wavelet;
  real inv_volume;
  PVI(points) source, receivers;
} run;

/* From w at step n + 1, in field[n % 2], to w at step n. */
static void retreat(PVI(plan) *plan, const run *r, int32_t n) {
  const PVI(sweep) sweep = {
      .wave = &plan->wave,
      .now = n % 2,
      .rhs = plan->history + n * (int64_t)plan->g.cells,
      .points = &r->receivers,
      .amplitude = r->residual + (ptrdiff_t)n * r->n_rec,
      .scale = 1,
  };
  if (r->wavelet && r->source.n) {
    const real *w = plan->wave.field[n % 2];
    r->wavelet[n] = r->inv_volume * PVI(sample)(&plan->g, r->source.point, w);
  }
  PVI(sweep_adjoint)(plan, &sweep);
}

static void march(PVI(plan) *plan, const run *r) {
  const int32_t last = r->nt - 1;
  PVI(wave_reset)(plan, &plan->wave);
  memset(plan->gradient, 0, (size_t)plan->g.cells * sizeof(real));
  if (r->wavelet)
    memset(r->wavelet, 0, (size_t)r->nt * sizeof(real));
  const real *residual = r->residual + (ptrdiff_t)last * r->n_rec;
  const PVI(injection) in = {residual, 1, plan->wave.field[r->nt % 2], NULL};
  for (int32_t i = 0; i < plan->n_tiles; i++)
    PVI(inject)(plan, &plan->tile[i], &r->receivers, &in);
  PVI(refresh)(plan, &plan->wave, r->nt % 2);
  for (int32_t n = last - 1; n >= 0; n--)
    retreat(plan, r, n);
}

/* The sum over ranks, on rank 0; not finite on any rank is an error on all. */
static pvi_status collect(const PVI(plan) *plan, const run *r, double *gradient) {
  const int32_t *shape = plan->config.shape;
  const ptrdiff_t plane = (ptrdiff_t)shape[1] * shape[2], n = shape[0] * plane;
  PVI(fold_gradient)(plan, gradient);
  int finite = 1;
  for (ptrdiff_t i = 0; i < n; i++)
    finite &= isfinite(gradient[i]) != 0;
  for (int32_t z = 0; z < shape[0] && plan->n_ranks > 1; z++) {
    double *part = gradient + z * plane;
    const void *from = plan->rank == 0 ? MPI_IN_PLACE : part;
    MPI_Reduce(from, part, (int)plane, MPI_DOUBLE, MPI_SUM, 0, plan->comm);
  }
  if (r->wavelet && plan->n_ranks > 1) {
    MPI_Allreduce(MPI_IN_PLACE, r->wavelet, r->nt, PVI_MPI_REAL, MPI_SUM, plan->comm);
  }
  return PVI(agree)(plan, finite ? PVI_OK : PVI_NOT_FINITE);
}

pvi_status PVI(adjoint)(PVI(plan) *plan, int32_t nt, const pvi_points *source,
                   const pvi_points *receivers, const real *residual, double *gradient,
                   real *wavelet) {
  if (!plan)
    return PVI_BAD_POINTER;
  pvi_status mine = residual && gradient ? PVI_OK : PVI_BAD_POINTER;
  if (mine == PVI_OK && plan->stored != nt)
    mine = PVI_NO_FORWARD;
  pvi_status status = PVI(agree_call)(plan, mine, nt, source, receivers);
  if (status != PVI_OK)
    return status;
  const double *h = plan->config.spacing;
  run r = {.nt = nt,
           .n_rec = receivers->n,
           .residual = residual,
           .wavelet = wavelet,
           .inv_volume = (real)(1 / (h[0] * h[1] * h[2]))};
  status = PVI(points_create)(plan, source, &r.source);
  if (status == PVI_OK)
    status = PVI(points_create)(plan, receivers, &r.receivers);
  status = PVI(agree)(plan, status);
  if (status == PVI_OK) {
    march(plan, &r);
    status = collect(plan, &r, gradient);
  }
  PVI(points_destroy)(&r.source);
  PVI(points_destroy)(&r.receivers);
  return status;
}
