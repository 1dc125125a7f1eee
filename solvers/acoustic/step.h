/* One time step of a whole rank: all its tiles, what points inject, the halo exchange. */
#pragma once
#include "plan.h"
#include "points.h"

/* On entry the halo of field[now] is valid, on exit that of field[1 - now]. */
struct step {
  struct wave *wave;
  int now;                    /* p is field[now]; field[1 - now] holds the step before and
                                 takes the step after */
  real *rhs;                  /* [cells] or NULL, see below */
  struct injection injection; /* into the step after; its points may be NULL: none */
};

/* From p(n - 1), p(n) to p(n + 1). rhs takes the right-hand side, sources included. */
void step_forward(pvi_plan *plan, const struct step *step);

/* The transpose, run from the last step to the first: p is the scaled adjoint w of step
 * n + 1, field[1 - now] goes from n + 2 to n. With rhs, what the forward stored for step n,
 * plan->gradient += w rhs. */
void step_adjoint(pvi_plan *plan, const struct step *step);
