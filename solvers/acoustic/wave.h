/* The state of one wavefield on one rank: two time levels and the layer's memory. */
#pragma once
#include "plan.h"

/* Allocate all of it as zero, and its persistent halo exchange. Collective. */
pvi_status PVI(wave_create)(const PVI(plan) *plan, PVI(wave) *wave);
void PVI(wave_destroy)(PVI(wave) *wave);

/* At rest: all fields and memory variables zero, halo included. */
void PVI(wave_reset)(const PVI(plan) *plan, PVI(wave) *wave);
