/* What forward and adjoint share around their time loops. */
#pragma once
#include "plan.h"

/* Whether every rank was called with these very numbers; the worst status of any. */
pvi_status PVI(
    agree_call)(const PVI(plan) *plan, pvi_status mine, int32_t nt, const pvi_points *source,
                      const pvi_points *receivers);
