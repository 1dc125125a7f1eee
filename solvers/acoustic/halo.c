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

void PVI(halo_create)(PVI(plan) *plan) {
  plan->n_requests = 0;
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2; side++) {
      const int other = plan->neighbour[axis][side];
      if (other == MPI_PROC_NULL)
        continue;
      MPI_Datatype *type = plan->face[axis][side];
      face_type(&plan->g, axis, side, 0, &type[0]);
      face_type(&plan->g, axis, side, 1, &type[1]);
      const int up = 2 * axis + side, down = 2 * axis + 1 - side, n = plan->n_requests;
      for (int which = 0; which < 2; which++) {
        real *base = plan->field[which] + PVI_LANES;
        MPI_Request *request = plan->request[which];
        MPI_Send_init(base, 1, type[0], other, up, plan->comm, &request[n]);
        MPI_Recv_init(base, 1, type[1], other, down, plan->comm, &request[n + 1]);
      }
      plan->n_requests += 2;
    }
  }
}

void PVI(halo_destroy)(PVI(plan) *plan) {
  for (int i = 0; i < plan->n_requests; i++) {
    MPI_Request_free(&plan->request[0][i]);
    MPI_Request_free(&plan->request[1][i]);
  }
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2; side++) {
      if (plan->neighbour[axis][side] == MPI_PROC_NULL)
        continue;
      MPI_Type_free(&plan->face[axis][side][0]);
      MPI_Type_free(&plan->face[axis][side][1]);
    }
  }
  plan->n_requests = 0;
}

/* p(-z) = -p(z): the free surface is the plane z = 0. */
static void mirror(const PVI(geometry) *g, real *field) {
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

void PVI(refresh)(PVI(plan) *plan, int which) {
  if (plan->config.free_surface && plan->g.offset[0] == 0) {
    mirror(&plan->g, plan->field[which]);
  }
  if (plan->n_requests == 0)
    return;
  MPI_Startall(plan->n_requests, plan->request[which]);
  MPI_Waitall(plan->n_requests, plan->request[which], MPI_STATUSES_IGNORE);
}
