/* What a plan owns. Private: callers see only its name. */
#pragma once
#include "acoustic.h"
#include "geometry.h"
#include <mpi.h>

/* Rows [y0, y1) of planes [z0, z1): what one thread advances by itself. A tile that
 * touches the layer owns all cells it acts on, as a block does. */
typedef struct {
  int32_t z0, z1, y0, y1;
} PVI(tile);

/* Damping of one side of the layer by cell - begin, zero outside the layer. */
typedef struct {
  real *a, *b;           /* at cells */
  real *a_half, *b_half; /* half a cell on; a_half is divided by the spacing squared */
} PVI(damping);

typedef struct {
  real *psi, *zeta; /* memory variables */
} PVI(layer);

/* The cells next to another block: those it needs, and those beyond that it sends. */
typedef struct {
  int axis, side;
  int32_t part[3];          /* cells as z, y, x */
  ptrdiff_t sz, sy;         /* strides in a wavefield */
  ptrdiff_t inside, beyond; /* first element in a wavefield */
  int n_threads;
  real *sent, *received; /* the same cells, one after the other; NULL: as they are */
} PVI(face);

typedef struct {
  real *field[2]; /* this time step and the one before or after it */
  PVI(layer) layer[3][2];
  PVI(face) face[6]; /* that other blocks share */
  int n_faces;
  real *room;                 /* of faces that are copied */
  MPI_Request request[2][12]; /* persistent: send and receive of each face, of each field */
} PVI(wave);

/* The part of a point that this rank owns. */
typedef struct {
  int32_t index;        /* in the caller's list */
  int32_t start[3];     /* local cell of weight 0 */
  int32_t lo[3], hi[3]; /* non-zero weights of cells on this rank */
  real weight[3][8];
} PVI(point);

typedef struct {
  int32_t n;
  PVI(point) *point;
} PVI(points);

/* Right-hand sides of one segment of steps, and saved states; see history.h. */
typedef struct {
  pvi_storage set; /* its pointers are not kept */
  int32_t n_segments;
  int32_t held;   /* segment whose right-hand sides are in memory; -1: none */
  void *memory;   /* a slot for every step kept */
  int64_t slot;   /* bytes */
  int64_t mapped; /* bytes of the file that memory is; 0: it is not */
  real *buffer;   /* [cells] the right-hand side being packed or unpacked */
  int32_t *split; /* as in pvi_storage */
  real **state;   /* [slots] */
  int32_t *saved; /* [slots] segment that a state is the begin of, rising */
  int32_t n_saved;
} PVI(history);

struct PVI(plan) {
  pvi_config config;
  PVI(geometry) g;
  MPI_Comm comm;
  int rank, n_ranks;
  int neighbour[3][2];

  real d2[3][PVI_HALO + 1]; /* stencil weights over the spacing squared */
  real inv_h2[3];
  PVI(damping) damping[3][2];
  PVI(wave) wave; /* of forward and adjoint */
  PVI(wave) second;              /* of Born and of forward steps run again; made when first needed */
  real *v;                  /* c^2 dt^2; zero outside the block */
  real *gradient;           /* sum over time of adjoint times right-hand side; Born: dV */
  real *rhs; /* right-hand side that Born does not keep; made when first needed */
  PVI(history) history;
  int32_t stored; /* time samples of the run that the history belongs to; 0: none */

  PVI(tile) *tile;
  int32_t n_tiles, n_first; /* the first hold all cells that neighbours wait for */
  pvi_timers timers;
};

/* The worst status of any rank. Collective. */
pvi_status PVI(agree)(const PVI(plan) *plan, pvi_status mine);

/* n reals on a cache line, zero or not set; NULL if there is no memory. Zeros are written by
 * all threads, so that the pages lie near all of them. */
void *PVI(zeros)(int64_t n, int n_threads);
void *PVI(unset)(int64_t n);
void PVI(clear)(real *memory, ptrdiff_t n, int n_threads);

/* Element of the first x of a row of a memory variable, wavefield, array without halo. */
static inline ptrdiff_t PVI(in_slab)(const PVI(slab) *s, ptrdiff_t z, ptrdiff_t y) {
  return s->origin + z * s->sz + y * s->sy;
}
static inline ptrdiff_t PVI(in_field)(const PVI(geometry) *g, ptrdiff_t z, ptrdiff_t y) {
  return g->origin + z * g->sz + y * g->sy;
}
static inline ptrdiff_t PVI(in_cells)(const PVI(geometry) *g, ptrdiff_t z, ptrdiff_t y) {
  return (z * g->n[1] + y) * g->row;
}
