/* Sources and receivers: 8 x 8 x 8 weights, each rank and tile doing the cells it owns. */
#pragma once
#include "plan.h"

pvi_status PVI(points_create)(const PVI(plan) *plan, const pvi_points *all, PVI(points) *mine);
void PVI(points_destroy)(PVI(points) *points);

/* Weighted sum of the owned part of a field. */
real PVI(sample)(const PVI(geometry) *g, const PVI(point) *point, const real *field);

/* In one tile, for every point: rhs += scale amplitude[index] weight, field += v times
 * that. rhs may be NULL. */
typedef struct {
  const real *amplitude; /* by index in the caller's list */
  real scale;
  real *field, *rhs;
} PVI(injection);
void PVI(
    inject)(const PVI(plan) *plan, const PVI(tile) *tile, const PVI(points) *points, const PVI(injection) *in);
