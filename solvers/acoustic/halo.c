#include "halo.h"

/* Four cells of one face: those a neighbour needs (inside) or gave us (outside). */
static void face_type(const PVI(geometry) *g, int axis, int side, int outside, MPI_Datatype *type) {
  const int whole[3] = {g->n[0] + 2 * PVI_HALO, g->n[1] + 2 * PVI_HALO, (int)g->sy};
  int part[3] = {g->n[0], g->n[1], g->n[2]};
  int start[3] = {PVI_HALO, PVI_HALO, 0};
  part[axis] = PVI_HALO;
  start[axis] += side ? g->n[axis] - (outside ? 0 : PVI_HALO) : (outside ? -PVI_HALO : 0);
  if (start[2] < 0) { /* left of x = 0 lies at the end of the row before */
    start[2] += (int)g->sy;
    start[1] -= 1;
  }
  MPI_Type_create_subarray(3, whole, part, start, MPI_ORDER_C, PVI_MPI_REAL, type);
  MPI_Type_commit(type);
}

void PVI(halo_create)(const PVI(plan) *plan, PVI(wave) *wave) {
  wave->n_requests = 0;
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2; side++) {
      const int other = plan->neighbour[axis][side];
      if (other == MPI_PROC_NULL)
        continue;
      MPI_Datatype sent, received; /* a request keeps its type alive */
      face_type(&plan->g, axis, side, 0, &sent);
      face_type(&plan->g, axis, side, 1, &received);
      const int up = 2 * axis + side, down = 2 * axis + 1 - side, n = wave->n_requests;
      for (int which = 0; which < 2; which++) {
        real *base = wave->field[which] + PVI_LANES;
        MPI_Request *request = wave->request[which];
        MPI_Send_init(base, 1, sent, other, up, plan->comm, &request[n]);
        MPI_Recv_init(base, 1, received, other, down, plan->comm, &request[n + 1]);
      }
      MPI_Type_free(&sent);
      MPI_Type_free(&received);
      wave->n_requests += 2;
    }
  }
}

void PVI(halo_destroy)(PVI(wave) *wave) {
  int finalized = 0;
  MPI_Finalized(&finalized);
  for (int i = 0; i < wave->n_requests && !finalized; i++) {
    MPI_Request_free(&wave->request[0][i]);
    MPI_Request_free(&wave->request[1][i]);
  }
  wave->n_requests = 0;
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
  if (wave->n_requests)
    MPI_Startall(wave->n_requests, wave->request[which]);
}

void PVI(halo_progress)(PVI(wave) *wave, int which) {
  int done = 0;
  MPI_Testall(wave->n_requests, wave->request[which], &done, MPI_STATUSES_IGNORE);
}

void PVI(halo_wait)(PVI(wave) *wave, int which) {
  if (wave->n_requests)
    MPI_Waitall(wave->n_requests, wave->request[which], MPI_STATUSES_IGNORE);
}
