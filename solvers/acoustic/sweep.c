#include "sweep.h"
#include "halo.h"
#include "points.h"
#include "rows.h"

static void all_tiles(PVI(plan) *plan, const PVI(sweep) *s, const PVI(injection) *in,
                      PVI(row_kernel) *kernel) {
  const PVI(step) step = {s->wave, s->wave->field[s->now], s->wave->field[1 - s->now], s->rhs};
#pragma omp parallel for schedule(static)                                                      \
    num_threads(plan->config.n_threads) if (plan->config.n_threads > 1)
  for (int32_t i = 0; i < plan->n_tiles; i++) {
    PVI(march)(plan, &plan->tile[i], &step, kernel);
    if (s->points)
      PVI(inject)(plan, &plan->tile[i], s->points, in);
  }
  PVI(refresh)(plan, s->wave, 1 - s->now);
}

void PVI(sweep_forward)(PVI(plan) *plan, const PVI(sweep) *s) {
  const PVI(injection) in = {s->amplitude, s->scale, s->wave->field[1 - s->now], s->rhs};
  all_tiles(plan, s, &in, PVI(forward_rows));
}

void PVI(sweep_adjoint)(PVI(plan) *plan, const PVI(sweep) *s) {
  const PVI(injection) in = {s->amplitude, s->scale, s->wave->field[1 - s->now], NULL};
  all_tiles(plan, s, &in, PVI(adjoint_rows));
}

void PVI(refresh)(const PVI(plan) *plan, PVI(wave) *wave, int which) {
  PVI(halo_mirror)(plan, wave->field[which]);
  PVI(halo_exchange)(wave, which);
}
