/* The tiles of a step are shared out between threads; messages travel meanwhile. */
#include "step.h"
#include <omp.h>

/* Tiles [begin, end), each thread its share: up in one step, down in the next, so that what was
 * used last is used first and may still be in the cache that all share. Meanwhile thread 0
 * keeps a started exchange going. */
static void step_tiles(const pvi_plan *plan, const struct step *s, const struct update *update,
                       int32_t begin, int32_t end, int exchanging) {
  const int32_t n = end - begin, n_threads = plan->block.config.n_threads;
#pragma omp parallel num_threads(n_threads) if (n_threads > 1)
  {
    const int32_t thread = omp_get_thread_num(), threads = omp_get_num_threads();
    const int32_t first = begin + n * thread / threads;
    const int32_t last = begin + n * (thread + 1) / threads - 1;
    for (int32_t i = first; i <= last; i++) {
      const struct tile *tile = &plan->tiling.tile[s->now ? last - (i - first) : i];
      tile_step(tile, update);
      if (s->injection.points)
        inject(&s->injection, tile, update);
      if (exchanging && thread == 0)
        halo_progress(&s->wave->halo, 1 - s->now);
    }
  }
}

/* Tiles that neighbours wait for are computed and sent first, the rest while they travel. */
static void step_all(pvi_plan *plan, const struct step *s, const struct update *update) {
  const struct tiling *tiling = &plan->tiling;
  struct halo *halo = &s->wave->halo;
  const int next = 1 - s->now;
  const double start = MPI_Wtime();
  step_tiles(plan, s, update, 0, tiling->n_first, 0);
  halo_start(halo, next);
  step_tiles(plan, s, update, tiling->n_first, tiling->n, halo->n_faces > 0);
  halo_mirror(&plan->block, s->wave->field[next]);
  const double computed = MPI_Wtime();
  halo_wait(halo, next);
  plan->timers.compute += computed - start;
  plan->timers.wait += MPI_Wtime() - computed;
  plan->timers.steps++;
}

static struct update update_of(const pvi_plan *plan, const struct step *s) {
  return (struct update){
      .g = &plan->block.g,
      .equation = &plan->equation,
      .wave = s->wave,
      .p = s->wave->field[s->now],
      .swap = s->wave->field[1 - s->now],
      .gradient = plan->gradient,
  };
}

void step_forward(pvi_plan *plan, const struct step *s) {
  struct update update = update_of(plan, s);
  update.rhs = s->rhs;
  step_all(plan, s, &update);
}

void step_adjoint(pvi_plan *plan, const struct step *s) {
  struct update update = update_of(plan, s);
  update.kept = s->rhs;
  update.adjoint = 1;
  step_all(plan, s, &update);
}
