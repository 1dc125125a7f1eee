/* Values beyond a block: a neighbour's cells, or the mirror image at a free surface. */
#pragma once
#include "plan.h"

/* Persistent requests of a wave's two fields. */
void PVI(halo_create)(const PVI(plan) *plan, PVI(wave) *wave);
void PVI(halo_destroy)(PVI(wave) *wave);

/* Send and receive; between, an occasional call lets the library work. */
void PVI(halo_start)(PVI(wave) *wave, int which);
void PVI(halo_progress)(PVI(wave) *wave, int which);
void PVI(halo_wait)(PVI(wave) *wave, int which);

/* p(-z) = -p(z): the free surface is the plane z = 0. Nothing without one. */
void PVI(halo_mirror)(const PVI(plan) *plan, real *field);
