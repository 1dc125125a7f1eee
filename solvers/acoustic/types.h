/* Statuses, settings and records that the caller and the acoustic solver exchange. */
#pragma once
#include <stdint.h>

typedef enum {
  PVI_OK = 0,
  PVI_BAD_SHAPE,        /* fewer than 8 cells on an axis, but y may have 1; nt, n_rec < 1 */
  PVI_BAD_VALUE,        /* a spacing, speed, frequency or time step is not positive */
  PVI_BAD_POINTER,      /* a required argument is NULL */
  PVI_NO_MEMORY,        /* an allocation failed */
  PVI_NO_DECOMPOSITION, /* the grid cannot be cut into that many blocks */
  PVI_UNSTABLE,         /* the time step is beyond the limit of this model */
  PVI_NOT_FINITE,       /* the wavefield overflowed */
  PVI_NO_FORWARD,       /* adjoint without a stored forward of the same length */
  PVI_RANKS_DISAGREE,   /* the ranks were called with different arguments */
  PVI_NO_STORAGE,       /* the run is to be kept, but no storage was set for its length */
  PVI_NO_DISK           /* the scratch file could not be made or is too large */
} pvi_status;

/* Everything that stays the same for the life of a plan. Axes are z, y, x. */
typedef struct {
  int32_t shape[3];     /* physical cells, without the absorbing layer; 1 along y: a section,
                           with neither layer nor derivative along y */
  int32_t n_pml;        /* cells of the absorbing layer on each side; 0: p = 0 there */
  int32_t order;        /* of accuracy in space: 4, 8 or 12 */
  int32_t free_surface; /* 1: p = 0 at z = 0 and no layer above it */
  int32_t n_threads;    /* OpenMP threads of a rank */
  int32_t zero;         /* no padding: ranks compare all bytes */
  double spacing[3];    /* [m] */
  double dt;            /* [s] */
  double pml_velocity;  /* reference speed of the layer [m/s] */
  double pml_frequency; /* reference frequency of the layer [Hz] */
} pvi_config;

/* Points between cells: a separable stencil of 8 cells on each axis. */
typedef struct {
  int32_t n;
  const int32_t *start; /* [n][3] first cell, counted from physical cell (0, 0, 0) */
  const double *weight; /* [n][3][8] */
} pvi_points;

/* How a forward run is kept for the gradient: in segments of time steps, of which one at a
 * time is held, the others run again from saved states.
 *
 * split[segments][free]: how many of the segments still to come are run before the next state
 * is saved, with so many slots free; all but one if there is none. */
typedef struct {
  int32_t nt;           /* time samples of the runs it is for */
  int32_t every;        /* right-hand sides are kept at every so many steps, weighted by it */
  int32_t packed;       /* 1: in 16 bits, with a scale for every 64 cells; 0: as computed */
  int32_t segment;      /* steps of a segment, a multiple of every */
  int32_t slots;        /* states that can be saved */
  const int32_t *split; /* [n_segments + 1][slots + 1] */
  const char *folder;   /* right-hand sides go into a file there; NULL: into memory */
} pvi_storage;

/* Time of all steps since a plan was made, on this rank. */
typedef struct {
  double compute; /* [s] */
  double wait;    /* for cells of other ranks, after all that could be done meanwhile [s] */
  int64_t steps;
} pvi_timers;
