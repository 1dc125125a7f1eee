/* Values beyond a block: a neighbour's cells, or the mirror image at a free surface. */
#pragma once
#include "plan.h"

/* Reals of the copies of faces of a block that has neighbours, to send and to receive. */
int64_t PVI(halo_reals)(const PVI(geometry) *g);

/* Room for faces, zero; then the persistent requests on it. Only the first may fail. */
pvi_status PVI(halo_allocate)(const PVI(plan) *plan, PVI(wave) *wave);
void PVI(halo_create)(const PVI(plan) *plan, PVI(wave) *wave);
void PVI(halo_destroy)(PVI(wave) *wave);

/* Send and receive, of one field at a time; between, an occasional call lets the library
 * work. */
void PVI(halo_start)(PVI(wave) *wave, int which);
void PVI(halo_progress)(PVI(wave) *wave, int which);
void PVI(halo_wait)(PVI(wave) *wave, int which);

/* p(-z) = -p(z): the free surface is the plane z = 0. Nothing without one. */
void PVI(halo_mirror)(const PVI(plan) *plan, real *field);
