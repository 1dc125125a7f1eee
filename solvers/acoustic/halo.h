/* Values beyond a block: a neighbour's cells, or the mirror image at a free surface. */
#pragma once
#include "block.h"

/* The cells next to another block: those it needs, and those beyond that it sends. */
struct face {
  int axis, side;
  int32_t part[3];          /* cells as z, y, x */
  ptrdiff_t sz, sy;         /* strides in a wavefield */
  ptrdiff_t inside, beyond; /* first element in a wavefield */
  real *sent, *received;    /* the same cells, one after the other; NULL: as they are */
};

/* The exchange of two wavefields with all neighbours, one field at a time. */
struct halo {
  real *field[2];
  int n_threads;
  int n_faces;
  struct face face[6];        /* that other blocks share */
  real *room;                 /* of faces that are copied */
  MPI_Request request[2][12]; /* persistent: send and receive of each face, of each field */
};

/* Reals of the copies of faces of a block that has neighbours, to send and to receive. */
int64_t halo_reals(const struct geometry *g);

/* Room for faces, zero; then the persistent requests on it. Only the first may fail. */
pvi_status halo_allocate(const struct block *block, struct halo *halo);
void halo_create(const struct block *block, real *const field[2], struct halo *halo);
void halo_destroy(struct halo *halo);

/* Send and receive, of one field at a time; between, an occasional call lets the library
 * work. */
void halo_start(struct halo *halo, int which);
void halo_progress(struct halo *halo, int which);
void halo_wait(struct halo *halo, int which);

/* p(-z) = -p(z): the free surface is the plane z = 0. Nothing without one. */
void halo_mirror(const struct block *block, real *field);

/* Make the halo of one field valid after a change made outside a step. Collective. */
void halo_refresh(const struct block *block, struct halo *halo, int which);
