#include "sweep.h"
#include "halo.h"
#include "points.h"
#include "rows.h"
#include <omp.h>

typedef struct {
  PVI(plan) *plan;
  const PVI(sweep) *sweep;
  PVI(step) step;
  PVI(injection) injection;
  PVI(row_kernel) *kernel;
} job;

/* Tiles [begin, end); meanwhile thread 0 keeps a started exchange going. */
static void advance(const job *j, int32_t begin, int32_t end, int exchanging) {
  const PVI(plan) *plan = j->plan;
  const PVI(sweep) *s = j->sweep;
#pragma omp parallel for schedule(static)                                                      \
    num_threads(plan->config.n_threads) if (plan->config.n_threads > 1)
  for (int32_t i = begin; i < end; i++) {
    PVI(march)(plan, &plan->tile[i], &j->step, j->kernel);
    if (s->points)
      PVI(inject)(plan, &plan->tile[i], s->points, &j->injection);
    if (exchanging && omp_get_thread_num() == 0)
      PVI(halo_progress)(s->wave);
  }
}

/* What neighbours wait for is done and sent first, the rest while it travels. */
static void all_tiles(PVI(plan) *plan, const PVI(sweep) *s, real *rhs,
                      PVI(row_kernel) *kernel) {
  real *swap = s->wave->field[1 - s->now];
  const job j = {plan,
                 s,
                 {s->wave, s->wave->field[s->now], swap, s->rhs},
                 {s->amplitude, s->scale, swap, rhs},
                 kernel};
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

void PVI(sweep_forward)(PVI(plan) *plan, const PVI(sweep) *s) { all_tiles(plan, s, s->rhs, PVI(forward_rows)); }

void PVI(sweep_adjoint)(PVI(plan) *plan, const PVI(sweep) *s) { all_tiles(plan, s, NULL, PVI(adjoint_rows)); }

void PVI(refresh)(const PVI(plan) *plan, PVI(wave) *wave, int which) {
  PVI(halo_mirror)(plan, wave->field[which]);
  PVI(halo_start)(wave, which);
  PVI(halo_wait)(wave, which);
}

void PVI(timers)(const PVI(plan) *plan, pvi_timers *timers) { *timers = plan->timers; }
