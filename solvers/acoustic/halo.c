#include "halo.h"
#include <stdlib.h>
#include <string.h>

/* Whether another block lies on that side. */
static int shared(const PVI(geometry) *g, int axis, int side) {
  return side ? g->offset[axis] + g->n[axis] < g->padded[axis] : g->offset[axis] > 0;
}

/* Faces along z are whole planes, one after the other in the field: MPI sends them from there,
 * ghosts between their rows included. */
static int in_place(int axis) { return axis == 0; }

static ptrdiff_t face_reals(const PVI(geometry) *g, int axis) {
  if (in_place(axis))
    return (PVI_HALO - 1) * g->sz + g->n[1] * g->sy;
  const ptrdiff_t of_block = (ptrdiff_t)g->n[0] * g->n[1] * g->n[2];
  return of_block / g->n[axis] * PVI_HALO;
}

int64_t PVI(halo_reals)(const PVI(geometry) *g) {
  int64_t total = 0;
  for (int axis = 1; axis < 3; axis++)
    total += 2 * face_reals(g, axis) * (shared(g, axis, 0) + shared(g, axis, 1));
  return total;
}

/* Element of a field where a face begins: the cells a neighbour needs, or those beyond. What
 * is left of x = 0 lies at the end of the row before. */
static ptrdiff_t face_begin(const PVI(geometry) *g, int axis, int side, int beyond) {
  ptrdiff_t at[3] = {0, 0, 0};
  at[axis] = side ? g->n[axis] - (beyond ? 0 : PVI_HALO) : (beyond ? -PVI_HALO : 0);
  return PVI(in_field)(g, at[0], at[1]) + at[2];
}

pvi_status PVI(halo_allocate)(const PVI(plan) *plan, PVI(wave) *wave) {
  const PVI(geometry) *g = &plan->g;
  const int64_t reals = PVI(halo_reals)(g);
  for (int i = 0; i < 12; i++)
    wave->request[0][i] = wave->request[1][i] = MPI_REQUEST_NULL;
  real *room = wave->room = reals ? PVI(zeros)(reals, plan->config.n_threads) : NULL;
  if (reals && !room)
    return PVI_NO_MEMORY;
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2; side++) {
      if (!shared(g, axis, side))
        continue;
      PVI(face) *f = &wave->face[wave->n_faces++];
      *f = (PVI(face)){.axis = axis,
                  .side = side,
                  .part = {g->n[0], g->n[1], g->n[2]},
                  .sz = g->sz,
                  .sy = g->sy,
                  .inside = face_begin(g, axis, side, 0),
                  .beyond = face_begin(g, axis, side, 1),
                  .n_threads = plan->config.n_threads};
      f->part[axis] = PVI_HALO;
      if (in_place(axis))
        continue;
      f->sent = room;
      f->received = room + face_reals(g, axis);
      room += 2 * face_reals(g, axis);
    }
  }
  return PVI_OK;
}

static void create(const PVI(plan) *plan, const PVI(face) *f, real *field, MPI_Request *request) {
  const int other = plan->neighbour[f->axis][f->side], n = (int)face_reals(&plan->g, f->axis);
  const int up = 2 * f->axis + f->side, down = 2 * f->axis + 1 - f->side;
  real *sent = f->sent ? f->sent : field + f->inside;
  real *received = f->received ? f->received : field + f->beyond;
  MPI_Send_init(sent, n, PVI_MPI_REAL, other, up, plan->comm, &request[0]);
  MPI_Recv_init(received, n, PVI_MPI_REAL, other, down, plan->comm, &request[1]);
}

void PVI(halo_create)(const PVI(plan) *plan, PVI(wave) *wave) {
  for (int which = 0; which < 2; which++) {
    for (int i = 0; i < wave->n_faces; i++)
      create(plan, &wave->face[i], wave->field[which], &wave->request[which][2 * i]);
  }
}

void PVI(halo_destroy)(PVI(wave) *wave) {
  int finalized = 0;
  MPI_Finalized(&finalized);
  for (int i = 0; i < 4 * wave->n_faces && !finalized; i++) {
    MPI_Request *request = &wave->request[i % 2][i / 2];
    if (*request != MPI_REQUEST_NULL) /* not if its creation failed half-way */
      MPI_Request_free(request);
  }
  free(wave->room);
}

/* Rows of x are short where x is cut: then a call would take longer than the copy. */
static inline void copy(real *restrict to, const real *restrict from, int32_t n) {
  if (n == PVI_HALO) {
    memcpy(to, from, PVI_HALO * sizeof(real));
  } else {
    memcpy(to, from, (size_t)n * sizeof(real));
  }
}

/* A face in one piece: MPI takes eight times as long to send its rows by itself. */
static void pack(const PVI(face) *f, const real *field) {
  const int32_t *part = f->part;
#pragma omp parallel for collapse(2) schedule(static)                                          \
    num_threads(f->n_threads) if (f->n_threads > 1)
  for (int32_t z = 0; z < part[0]; z++) {
    for (int32_t y = 0; y < part[1]; y++) {
      real *to = f->sent + ((ptrdiff_t)z * part[1] + y) * part[2];
      copy(to, field + f->inside + z * f->sz + y * f->sy, part[2]);
    }
  }
}

static void unpack(const PVI(face) *f, real *field) {
  const int32_t *part = f->part;
#pragma omp parallel for collapse(2) schedule(static)                                          \
    num_threads(f->n_threads) if (f->n_threads > 1)
  for (int32_t z = 0; z < part[0]; z++) {
    for (int32_t y = 0; y < part[1]; y++) {
      const real *from = f->received + ((ptrdiff_t)z * part[1] + y) * part[2];
      copy(field + f->beyond + z * f->sz + y * f->sy, from, part[2]);
    }
  }
}

void PVI(halo_mirror)(const PVI(plan) *plan, real *field) {
  const PVI(geometry) *g = &plan->g;
  if (!plan->config.free_surface || g->offset[0] != 0)
    return;
  for (int32_t z = 1; z <= PVI_HALO; z++) {
    for (int32_t y = 0; y < g->n[1]; y++) {
      const real *below = field + PVI(in_field)(g, z, y);
      real *above = field + PVI(in_field)(g, -z, y);
#pragma omp simd
      for (ptrdiff_t x = 0; x < g->n[2]; x++)
        above[x] = -below[x];
    }
  }
}

void PVI(halo_start)(PVI(wave) *wave, int which) {
  for (int i = 0; i < wave->n_faces; i++) {
    if (wave->face[i].sent)
      pack(&wave->face[i], wave->field[which]);
  }
  if (wave->n_faces)
    MPI_Startall(2 * wave->n_faces, wave->request[which]);
}

void PVI(halo_progress)(PVI(wave) *wave, int which) {
  int done = 0;
  MPI_Testall(2 * wave->n_faces, wave->request[which], &done, MPI_STATUSES_IGNORE);
}

void PVI(halo_wait)(PVI(wave) *wave, int which) {
  if (wave->n_faces)
    MPI_Waitall(2 * wave->n_faces, wave->request[which], MPI_STATUSES_IGNORE);
  for (int i = 0; i < wave->n_faces; i++) {
    if (wave->face[i].received)
      unpack(&wave->face[i], wave->field[which]);
  }
}
