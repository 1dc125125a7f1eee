#include "sweep.h"
#include "halo.h"
#include "points.h"
#include "steps.h"

typedef void
    PVI(tile_kernel)(const PVI(plan) *plan, const PVI(tile) *tile, const PVI(step) *step);

static void all_tiles(PVI(plan) *plan, const PVI(sweep) *s, const PVI(injection) *in,
                      PVI(tile_kernel) *advance) {
  const PVI(step) step = {s->wave, s->wave->field[s->now], s->wave->field[1 - s->now], s->rhs};
#pragma omp parallel for schedule(static)                                                      \
    num_threads(plan->config.n_threads) if (plan->config.n_threads > 1)
  for (int32_t i = 0; i < plan->n_tiles; i++) {
    advance(plan, &plan->tile[i], &step);
    if (s->points)
      PVI(inject)(plan, &plan->tile[i], s->points, in);
  }
  PVI(refresh)(plan, s->wave, 1 - s->now);
}

void PVI(sweep_forward)(PVI(plan) *plan, const PVI(sweep) *s) {
  const PVI(injection) in = {s->amplitude, s->scale, s->wave->field[1 - s->now], s->rhs};
  all_tiles(plan, s, &in, PVI(forward_tile));
}

void PVI(sweep_adjoint)(PVI(plan) *plan, const PVI(sweep) *s) {
  const PVI(injection) in = {s->amplitude, s->scale, s->wave->field[1 - s->now], NULL};
  all_tiles(plan, s, &in, PVI(adjoint_tile));
}

void PVI(refresh)(const PVI(plan) *plan, PVI(wave) *wave, int which) {
  PVI(halo_mirror)(plan, wave->field[which]);
  PVI(halo_exchange)(wave, which);
}
