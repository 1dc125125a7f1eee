/* What forward, Born and adjoint share around their time loops. */
#pragma once
#include "plan.h"

typedef struct {
  const PVI(shot) *shot;
  PVI(points) source, receivers; /* those of this rank */
  real inv_volume; /* of a cell [1/m^3] */
  PVI(wave) *wave;               /* what is advanced */
  real *traces;             /* [nt][n_rec]; NULL: not recorded */
  real *linearised;         /* as traces, of plan->second; NULL: no derivative */
} PVI(run);

/* Check that every rank has the same shot, find its points. Collective; the worst status of
 * any rank, `mine` included. To be closed in any case. */
pvi_status PVI(run_open)(const PVI(plan) *plan, const PVI(shot) *shot, pvi_status mine,
                         PVI(run) *run);
void PVI(run_close)(PVI(run) *run);

/* Make the second wave, if it is not there. Collective. */
pvi_status PVI(need_second)(PVI(plan) *plan);

/* From step n to step `end`; with `store` the history takes the right-hand sides. */
void PVI(advance)(PVI(plan) *plan, const PVI(run) *run, int32_t n, int32_t end, int store);

/* From the begin of segment `from` to the end of the last before `to`: the last is stored,
 * and states are saved on the way. */
void PVI(climb)(PVI(plan) *plan, const PVI(run) *run, int32_t from, int32_t to);

/* Make the history hold `segment` by running the second wave again. */
void PVI(replay)(PVI(plan) *plan, const PVI(run) *run, int32_t segment);
