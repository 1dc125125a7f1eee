/* What a plan owns, part by part. Private: callers see only its name. */
#pragma once
#include "acoustic.h"
#include "block.h"
#include "equation.h"
#include "history.h"
#include "tiling.h"
#include "wave.h"

struct pvi_plan {
  struct block block;
  struct equation equation;
  struct tiling tiling;
  struct wave wave;       /* of forward and adjoint */
  struct wave second;     /* of Born and of forward steps run again; made when first needed */
  real *gradient;         /* [cells] sum over time of adjoint times right-hand side; Born: dV */
  real *rhs;              /* [cells] that Born does not keep; made when first needed */
  struct history history; /* for the gradient */
  int32_t stored;         /* time samples of the run that the history belongs to; 0: none */
  pvi_timers timers;
};
