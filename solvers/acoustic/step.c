#include "halo.h"
#include "points.h"
#include "rows.h"
#include "sweep.h"
#include <omp.h>

typedef struct {
  PVI(plan) *plan;
  const PVI(sweep) *sweep;
  PVI(step) step;
  PVI(injection) injection;
} job;

/* Tiles [begin, end), each thread its share: up in one step, down in the next, so that what was
 * used last is used first and may still be in the cache that all share. Meanwhile thread 0
 * keeps a started exchange going. */
static void advance(const job *j, int32_t begin, int32_t end, int exchanging) {
  const PVI(plan) *plan = j->plan;
  const PVI(sweep) *s = j->sweep;
  const int32_t n = end - begin;
#pragma omp parallel num_threads(plan->config.n_threads) if (plan -> config.n_threads > 1)
  {
    const int32_t thread = omp_get_thread_num(), threads = omp_get_num_threads();
    const int32_t first = begin + n * thread / threads;
    const int32_t last = begin + n * (thread + 1) / threads - 1;
    for (int32_t i = first; i <= last; i++) {
      const PVI(tile) *tile = &plan->tile[s->now ? last - (i - first) : i];
      PVI(march)(plan, tile, &j->step);
      if (s->points)
        PVI(inject)(plan, tile, s->points, &j->injection);
      if (exchanging && thread == 0)
        PVI(halo_progress)(s->wave, 1 - s->now);
    }
  }
}

/* What neighbours wait for is done and sent first, the rest while it travels. */
static void all_tiles(PVI(plan) *plan, const PVI(sweep) *s, int adjoint) {
  real *swap = s->wave->field[1 - s->now], *rhs = adjoint ? NULL : s->rhs;
  const job j = {plan,
                 s,
                 {.wave = s->wave,
                  .p = s->wave->field[s->now],
                  .swap = swap,
                  .rhs = rhs,
                  .kept = adjoint ? s->rhs : NULL,
                  .adjoint = adjoint},
                 {s->amplitude, s->scale, swap, rhs}};
  const double start = MPI_Wtime();
  advance(&j, 0, plan->n_first, 0);
  PVI(halo_start)(s->wave, 1 - s->now);
  advance(&j, plan->n_first, plan->n_tiles, s->wave->n_faces > 0);
  PVI(halo_mirror)(plan, swap);
  const double computed = MPI_Wtime();
  PVI(halo_wait)(s->wave, 1 - s->now);
  plan->timers.compute += computed - start;
  plan->timers.wait += MPI_Wtime() - computed;
  plan->timers.steps++;
}

void PVI(sweep_forward)(PVI(plan) *plan, const PVI(sweep) *s) { all_tiles(plan, s, 0); }

void PVI(sweep_adjoint)(PVI(plan) *plan, const PVI(sweep) *s) { all_tiles(plan, s, 1); }

void PVI(refresh)(const PVI(plan) *plan, PVI(wave) *wave, int which) {
  PVI(halo_mirror)(plan, wave->field[which]);
  PVI(halo_start)(wave, which);
  PVI(halo_wait)(wave, which);
}

void PVI(timers)(const PVI(plan) *plan, pvi_timers *timers) { *timers = plan->timers; }
