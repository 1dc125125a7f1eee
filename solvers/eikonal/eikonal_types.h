/* Statuses and settings that the caller and the travel-time solver exchange. */
#pragma once
#include <stdint.h>

typedef enum {
  PVI_EIKONAL_OK = 0,
  PVI_EIKONAL_BAD_SHAPE,   /* a size is not positive, or an axis too short */
  PVI_EIKONAL_BAD_POINTER, /* a required argument is NULL */
  PVI_EIKONAL_NO_MEMORY,   /* an allocation failed */
  PVI_EIKONAL_UNREACHED    /* no finite time: a slowness is not positive and finite */
} pvi_eikonal_status;

/* The nodes that times are computed at.
 *
 * Fields have a margin of two nodes on both sides of every axis of more than one node; an axis
 * of one node is no axis, and has none. Values of the margin are never used.
 */
typedef struct {
  int32_t shape[3]; /* nz, ny, nx without the margin; x varies fastest */
  double spacing[3];
  int32_t n_threads; /* never changes a bit of a result */
} pvi_eikonal_grid;

/* Sources and the receivers of each, positions (z, y, x) relative to node (0, 0, 0). */
typedef struct {
  int32_t n_sources;
  const double *sources;   /* [n_sources][3] */
  const int64_t *first;    /* [n_sources + 1]: where the receivers of each source begin */
  const double *receivers; /* [first[n_sources]][3] */
} pvi_eikonal_survey;

/* What a march leaves for its adjoint, for every source. */
typedef struct {
  double *factor;    /* [n_sources][nodes]: time / distance from the source */
  uint16_t *stencil; /* [n_sources][nodes]: what the factor was computed from */
  int32_t *order;    /* [n_sources][nodes]: nodes in the order in which they were accepted */
  int64_t *n;        /* [n_sources]: number of accepted nodes */
} pvi_eikonal_march;
