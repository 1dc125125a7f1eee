/* How the block of a rank is shared out between threads and caches. */
#pragma once
#include "plan.h"

/* Choose the tiles: first those with cells that neighbours wait for. */
pvi_status PVI(make_tiles)(PVI(plan) *plan);
