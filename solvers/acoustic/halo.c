/* Faces are sent while the rest of a block is computed. */
#include "halo.h"
#include "arrays.h"
#include <stdlib.h>
#include <string.h>

/* Whether another block lies on that side. */
static int shared(const struct geometry *g, int axis, int side) {
  return side ? g->offset[axis] + g->n[axis] < g->padded[axis] : g->offset[axis] > 0;
}

/* Faces along z are whole planes, one after the other in the field: MPI sends them from there,
 * ghosts between their rows included. */
static int in_place(int axis) { return axis == 0; }

static ptrdiff_t face_reals(const struct geometry *g, int axis) {
  if (in_place(axis))
    return (HALO - 1) * g->sz + g->n[1] * g->sy;
  const ptrdiff_t of_block = (ptrdiff_t)g->n[0] * g->n[1] * g->n[2];
  return of_block / g->n[axis] * HALO;
}

int64_t halo_reals(const struct geometry *g) {
  int64_t total = 0;
  for (int axis = 1; axis < 3; axis++)
    total += 2 * face_reals(g, axis) * (shared(g, axis, 0) + shared(g, axis, 1));
  return total;
}

/* Element of a field where a face begins: the cells a neighbour needs, or those beyond. What
 * is left of x = 0 lies at the end of the row before. */
static ptrdiff_t face_begin(const struct geometry *g, int axis, int side, int beyond) {
  ptrdiff_t at[3] = {0, 0, 0};
  at[axis] = side ? g->n[axis] - (beyond ? 0 : HALO) : (beyond ? -HALO : 0);
  return in_field(g, at[0], at[1]) + at[2];
}

/* `room` is the copies' part of the room of all faces; not used for a face sent in place. */
static struct face face_of(const struct geometry *g, int axis, int side, real *room) {
  struct face f = {
      .axis = axis,
      .side = side,
      .part = {g->n[0], g->n[1], g->n[2]},
      .sz = g->sz,
      .sy = g->sy,
      .inside = face_begin(g, axis, side, 0),
      .beyond = face_begin(g, axis, side, 1),
  };
  f.part[axis] = HALO;
  if (!in_place(axis)) {
    f.sent = room;
    f.received = room + face_reals(g, axis);
  }
  return f;
}

pvi_status halo_allocate(const struct block *block, struct halo *halo) {
  const struct geometry *g = &block->g;
  const int64_t reals = halo_reals(g);
  for (int i = 0; i < 12; i++)
    halo->request[0][i] = halo->request[1][i] = MPI_REQUEST_NULL;
  halo->n_threads = block->config.n_threads;
  real *room = halo->room = reals ? zeros(reals, halo->n_threads) : NULL;
  if (reals && !room)
    return PVI_NO_MEMORY;
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2; side++) {
      if (!shared(g, axis, side))
        continue;
      halo->face[halo->n_faces++] = face_of(g, axis, side, room);
      if (!in_place(axis))
        room += 2 * face_reals(g, axis);
    }
  }
  return PVI_OK;
}

static void create(const struct block *block, const struct face *f, real *field,
                   MPI_Request *request) {
  const int other = block->neighbour[f->axis][f->side], n = (int)face_reals(&block->g, f->axis);
  const int up = 2 * f->axis + f->side, down = 2 * f->axis + 1 - f->side;
  real *sent = f->sent ? f->sent : field + f->inside;
  real *received = f->received ? f->received : field + f->beyond;
  MPI_Send_init(sent, n, PVI_MPI_REAL, other, up, block->comm, &request[0]);
  MPI_Recv_init(received, n, PVI_MPI_REAL, other, down, block->comm, &request[1]);
}

void halo_create(const struct block *block, real *const field[2], struct halo *halo) {
  for (int which = 0; which < 2; which++) {
    halo->field[which] = field[which];
    for (int i = 0; i < halo->n_faces; i++)
      create(block, &halo->face[i], field[which], &halo->request[which][2 * i]);
  }
}

void halo_destroy(struct halo *halo) {
  int finalized = 0;
  MPI_Finalized(&finalized);
  for (int i = 0; i < 4 * halo->n_faces && !finalized; i++) {
    MPI_Request *request = &halo->request[i % 2][i / 2];
    if (*request != MPI_REQUEST_NULL) /* not if its creation failed half-way */
      MPI_Request_free(request);
  }
  free(halo->room);
}

/* Rows of x are short where x is cut: then a call would take longer than the copy. */
static inline void copy(real *restrict to, const real *restrict from, int32_t n) {
  if (n == HALO) {
    memcpy(to, from, HALO * sizeof(real));
  } else {
    memcpy(to, from, (size_t)n * sizeof(real));
  }
}

/* A face in one piece: MPI takes eight times as long to send its rows by itself. */
static void pack(const struct face *f, int n_threads, const real *field) {
  const int32_t *part = f->part;
#pragma omp parallel for collapse(2) schedule(static) num_threads(n_threads) if (n_threads > 1)
  for (int32_t z = 0; z < part[0]; z++) {
    for (int32_t y = 0; y < part[1]; y++) {
      real *to = f->sent + ((ptrdiff_t)z * part[1] + y) * part[2];
      copy(to, field + f->inside + z * f->sz + y * f->sy, part[2]);
    }
  }
}

static void unpack(const struct face *f, int n_threads, real *field) {
  const int32_t *part = f->part;
#pragma omp parallel for collapse(2) schedule(static) num_threads(n_threads) if (n_threads > 1)
  for (int32_t z = 0; z < part[0]; z++) {
    for (int32_t y = 0; y < part[1]; y++) {
      const real *from = f->received + ((ptrdiff_t)z * part[1] + y) * part[2];
      copy(field + f->beyond + z * f->sz + y * f->sy, from, part[2]);
    }
  }
}

void halo_mirror(const struct block *block, real *field) {
  const struct geometry *g = &block->g;
  if (!block->config.free_surface || g->offset[0] != 0)
    return;
  for (int32_t z = 1; z <= HALO; z++) {
    for (int32_t y = 0; y < g->n[1]; y++) {
      const real *below = field + in_field(g, z, y);
      real *above = field + in_field(g, -z, y);
#pragma omp simd
      for (ptrdiff_t x = 0; x < g->n[2]; x++)
        above[x] = -below[x];
    }
  }
}

void halo_start(struct halo *halo, int which) {
  for (int i = 0; i < halo->n_faces; i++) {
    if (halo->face[i].sent)
      pack(&halo->face[i], halo->n_threads, halo->field[which]);
  }
  if (halo->n_faces)
    MPI_Startall(2 * halo->n_faces, halo->request[which]);
}

void halo_progress(struct halo *halo, int which) {
  int done = 0;
  MPI_Testall(2 * halo->n_faces, halo->request[which], &done, MPI_STATUSES_IGNORE);
}

void halo_wait(struct halo *halo, int which) {
  if (halo->n_faces)
    MPI_Waitall(2 * halo->n_faces, halo->request[which], MPI_STATUSES_IGNORE);
  for (int i = 0; i < halo->n_faces; i++) {
    if (halo->face[i].received)
      unpack(&halo->face[i], halo->n_threads, halo->field[which]);
  }
}

void halo_refresh(const struct block *block, struct halo *halo, int which) {
  halo_mirror(block, halo->field[which]);
  halo_start(halo, which);
  halo_wait(halo, which);
}
