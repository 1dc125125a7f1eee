/* The time loop in its scales: a run has segments, which have steps (step.h). */
#pragma once
#include "plan.h"
#include "points.h"

struct run {
  const pvi_shot *shot;
  struct points source, receivers; /* those of this rank */
  real inv_volume;                 /* of a cell [1/m^3]; in a section of its face [1/m^2] */
  struct wave *wave;               /* what is advanced */
  real *traces;                    /* [nt][n_rec]; NULL: not recorded */
  real *linearised;                /* as traces, of plan->second; NULL: no derivative */
};

/* Check that every rank has the same shot, find its points. Collective; the worst status of
 * any rank, `mine` included. To be closed in any case. */
pvi_status run_open(const struct block *block, const pvi_shot *shot, pvi_status mine,
                    struct run *run);
void run_close(struct run *run);

/* Make the second wave, if it is not there. Collective. */
pvi_status need_second(pvi_plan *plan);

/* Forward, from the begin of segment `from` to the end of the last before `to`: the last is
 * stored, and states are saved on the way. */
void run_segments(pvi_plan *plan, const struct run *run, int32_t from, int32_t to);

/* Make the history hold `segment` by running the second wave again. */
void rerun_segment(pvi_plan *plan, const struct run *run, int32_t segment);

/* Forward, from step n to step `end`; with `store` the history takes the right-hand sides. */
void run_steps(pvi_plan *plan, const struct run *run, int32_t n, int32_t end, int store);
