/* Segments run again from saved states (revolve: Griewank & Walther 2000, ACM TOMS 26(1)).
 *
 * The states form a stack; segment 0 begins at rest and needs none. */
#include "run.h"
#include "state.h"

void run_segments(pvi_plan *plan, const struct run *run, int32_t from, int32_t to) {
  struct history *h = &plan->history;
  const int32_t length = h->set.segment, last = run->shot->nt - 1;
  while (to - from > 1) {
    const int32_t vacant = h->set.slots - h->n_saved;
    const int32_t next = from + h->split[(to - from) * (h->set.slots + 1) + vacant];
    run_steps(plan, run, from * length, next * length, 0);
    from = next;
    if (vacant > 0) {
      state_save(&plan->block.g, run->wave, h->state[h->n_saved]);
      h->saved[h->n_saved++] = from;
    }
  }
  const int32_t end = to * length < last ? to * length : last;
  run_steps(plan, run, from * length, end, 1);
  h->held = from;
}

void rerun_segment(pvi_plan *plan, const struct run *run, int32_t segment) {
  struct history *h = &plan->history;
  const struct run again = {
      .shot = run->shot,
      .source = run->source,
      .inv_volume = run->inv_volume,
      .wave = &plan->second,
  };
  while (h->n_saved > 0 && h->saved[h->n_saved - 1] > segment)
    h->n_saved--;
  int32_t from = 0;
  if (h->n_saved > 0) {
    from = h->saved[h->n_saved - 1];
    state_restore(&plan->block.g, h->state[h->n_saved - 1], again.wave);
  } else {
    wave_reset(&plan->block, again.wave);
  }
  run_segments(plan, &again, from, segment + 1);
}
