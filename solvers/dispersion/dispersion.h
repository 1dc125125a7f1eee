/* Dispersion of surface waves in flat layers, and its exact derivatives.
 *
 * Rayleigh waves: the minors of two solutions that decay downwards are carried up through the
 * layers (compound matrices: Dunkin 1965, BSSA 55; Buchen & Ben-Hador 1996, GJI 124), so that
 * no exponential cancels another. Love waves: displacement and traction are carried up (Haskell
 * 1953, BSSA 43). A mode is found by counting those that are slower than a trial velocity
 * (Wittrick & Williams 1971, QJMAM 24): none is skipped, however close two are.
 */
#pragma once
#include "dispersion_types.h"
#pragma GCC visibility push(default)

/* Phase and group velocities, and their derivatives by the solid layers.
 *
 *   phase, group  [out]  [m/s]                                  [n_points]
 *   exists        [out]  0 where the mode is not guided: both velocities are then vs of the
 *                        half-space, which they tend to there   [n_points]
 *   slopes        [out]  of phase and group, by vp, vs and density; NULL: not wanted
 *                                                               [n_points][2][3][n_layers]
 */
pvi_dispersion_status pvi_dispersion_curve(const pvi_dispersion_model *model,
                                           const pvi_dispersion_points *points, double *phase,
                                           double *group, int32_t *exists, double *slopes);

/* Number of modes slower than a phase velocity [m/s], below vs of the half-space; -1: bad. */
int32_t pvi_dispersion_count(const pvi_dispersion_model *model, int32_t wave, double period,
                             double velocity);

/* SHA-256 of the digests of all sources, in the order of their names. */
const char *pvi_source_hash(void);

#pragma GCC visibility pop
