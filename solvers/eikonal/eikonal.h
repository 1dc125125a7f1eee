/* First-arrival travel times by fast marching, and the adjoint of exactly these times.
 *
 * The time T = r tau solves |grad T| = s, with r the distance from the source: the factored
 * eikonal equation, whose tau is smooth at the source (Fomel, Luo & Zhao 2009, J. Comput. Phys.
 * 228; Treister & Haber 2016, J. Comput. Phys. 324). Differences are upwind and of second order
 * where two accepted nodes are in line, else of first order. All fields are [nodes] with the
 * margin of `pvi_eikonal_grid`. Sources are independent of each other, so that the bits do not
 * depend on the number of threads.
 */
#pragma once
#include "eikonal_types.h"
#pragma GCC visibility push(default)

/* Number of nodes of a field, with its margin. */
int64_t pvi_eikonal_nodes(const pvi_eikonal_grid *grid);

/* Times at the receivers, linear interpolation of tau between nodes.
 *
 *   slowness  [in]   positive and finite            [nodes]
 *   march     [out]  for the adjoint
 *   times     [out]                                 [survey->first[n_sources]]
 */
pvi_eikonal_status pvi_eikonal_times(const pvi_eikonal_grid *grid,
                                     const pvi_eikonal_survey *survey, const double *slowness,
                                     const pvi_eikonal_march *march, double *times);

/* The derivative of sum_i cotangents_i times_i by the slowness: times depend on the factors of
 * earlier nodes only, a triangular system whose transpose is solved from the last node back.
 *
 *   cotangents  [in]                                [survey->first[n_sources]]
 *   work        [out]  the gradient of each source  [n_sources][nodes]
 *   gradient    [out]  their sum, in their order    [nodes]
 */
pvi_eikonal_status pvi_eikonal_pull(const pvi_eikonal_grid *grid,
                                    const pvi_eikonal_survey *survey, const double *slowness,
                                    const pvi_eikonal_march *march, const double *cotangents,
                                    double *work, double *gradient);

/* SHA-256 of the digests of all sources, in the order of their names. */
const char *pvi_source_hash(void);

#pragma GCC visibility pop
