/* One time step of a whole rank: all its tiles, what points inject, the halo exchange. */
#pragma once
#include "wave.h"

/* On entry the halo of field[now] is valid, on exit that of field[1 - now]. */
typedef struct {
  PVI(wave) *wave;
  int now;               /* p is field[now]; field[1 - now] holds the step before and
                            takes the step after */
  real *rhs;             /* [cells] or NULL, see below */
  const PVI(points) *points;  /* that inject into the step after; NULL: none */
  const real *amplitude; /* by index in the caller's list of points */
  real scale;
} PVI(sweep);

/* From p(n - 1), p(n) to p(n + 1). rhs takes the right-hand side, sources included. */
void PVI(sweep_forward)(PVI(plan) *plan, const PVI(sweep) *s);

/* The transpose, run from the last step to the first: p is the scaled adjoint w of step
 * n + 1, field[1 - now] goes from n + 2 to n. With rhs, what the forward stored for step n,
 * plan->gradient += w rhs. */
void PVI(sweep_adjoint)(PVI(plan) *plan, const PVI(sweep) *s);

/* Make the halo of one field valid after a change made outside a sweep. Collective. */
void PVI(refresh)(const PVI(plan) *plan, PVI(wave) *wave, int which);
