#include "plan.h"
#include "cpml.h"
#include "decompose.h"
#include "history.h"
#include "stencil.h"
#include "tiles.h"
#include "wave.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

pvi_status PVI(agree)(const PVI(plan) *plan, pvi_status mine) {
  int worst = (int)mine;
  if (plan->n_ranks > 1) {
    MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_INT, MPI_MAX, plan->comm);
  }
  return (pvi_status)worst;
}

static pvi_status check(const pvi_config *c) {
  for (int axis = 0; axis < 3; axis++) {
    if (c->shape[axis] < 8)
      return PVI_BAD_SHAPE;
    if (!(c->spacing[axis] > 0))
      return PVI_BAD_VALUE;
  }
  if (c->order != PVI_ORDER)
    return PVI_BAD_VALUE;
  if (c->n_pml < 0)
    return PVI_BAD_SHAPE;
  if (!(c->dt > 0) || !(c->pml_velocity > 0) || !(c->pml_frequency > 0))
    return PVI_BAD_VALUE;
  return c->n_threads < 1 ? PVI_BAD_VALUE : PVI_OK;
}

/* Every rank must hold the same configuration before any of them relies on it. */
static pvi_status check_everywhere(PVI(plan) *plan) {
  pvi_config root = plan->config;
  MPI_Bcast(&root, (int)sizeof root, MPI_BYTE, 0, plan->comm);
  const int same = memcmp(&root, &plan->config, sizeof root) == 0;
  const pvi_status status = PVI(agree)(plan, same ? PVI_OK : PVI_RANKS_DISAGREE);
  return status == PVI_OK ? check(&plan->config) : status;
}

static void weights(PVI(plan) *plan) {
  for (int axis = 0; axis < 3; axis++) {
    const double h = plan->config.spacing[axis];
    plan->inv_h2[axis] = (real)(1 / (h * h));
    for (int k = 0; k <= PVI_HALO; k++)
      plan->d2[axis][k] = (real)(PVI(weights)[k] / (h * h));
  }
}

static void place(PVI(plan) *plan, const int32_t dims[3]) {
  const int32_t at[3] = {plan->rank / (dims[1] * dims[2]), plan->rank / dims[2] % dims[1],
                         plan->rank % dims[2]};
  const int32_t stride[3] = {dims[1] * dims[2], dims[2], 1};
  PVI(locate)(&plan->config, dims, at, &plan->g);
  for (int axis = 0; axis < 3; axis++) {
    const int first = at[axis] == 0, last = at[axis] == dims[axis] - 1;
    plan->neighbour[axis][0] = first ? MPI_PROC_NULL : plan->rank - stride[axis];
    plan->neighbour[axis][1] = last ? MPI_PROC_NULL : plan->rank + stride[axis];
  }
}

static pvi_status damp(PVI(plan) *plan, int axis, int side) {
  const PVI(slab) *s = &plan->g.slab[axis][side];
  PVI(damping) *d = &plan->damping[axis][side];
  real **array[4] = {&d->a, &d->b, &d->a_half, &d->b_half};
  const int32_t n = plan->config.n_pml + 1; /* cells acted on */
  if (!s->present)
    return PVI_OK;
  for (int i = 0; i < 4; i++) {
    *array[i] = PVI(zeros)(s->end - s->begin + PVI_LANES, 1);
    if (!*array[i])
      return PVI_NO_MEMORY;
  }
  const int32_t first = (side ? plan->g.n[axis] - n : 0) - s->begin;
  const double h = plan->config.spacing[axis];
  for (int32_t i = first; i < first + n; i++) {
    const double cell = plan->g.offset[axis] + s->begin + i;
    double a, b;
    pvi_cpml(&plan->config, axis, cell, &a, &b);
    d->a[i] = (real)a, d->b[i] = (real)b;
    pvi_cpml(&plan->config, axis, cell + 0.5, &a, &b);
    d->a_half[i] = (real)(a / (h * h)), d->b_half[i] = (real)b;
  }
  return PVI_OK;
}

static pvi_status allocate(PVI(plan) *plan) {
  pvi_status status = PVI(make_tiles)(plan);
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2 && status == PVI_OK; side++)
      status = damp(plan, axis, side);
  }
  if (status != PVI_OK)
    return status;
  plan->v = PVI(zeros)(plan->g.size, plan->config.n_threads);
  plan->gradient = PVI(zeros)(plan->g.cells, plan->config.n_threads);
  return plan->v && plan->gradient ? PVI_OK : PVI_NO_MEMORY;
}

static pvi_status build(PVI(plan) *plan) {
  int32_t dims[3];
  pvi_status status = check_everywhere(plan);
  if (status == PVI_OK)
    status = pvi_decompose(&plan->config, plan->n_ranks, dims);
  if (status != PVI_OK)
    return status;
  weights(plan);
  place(plan, dims);
  status = PVI(agree)(plan, allocate(plan));
  return status == PVI_OK ? PVI(wave_create)(plan, &plan->wave) : status;
}

pvi_status PVI(create)(const pvi_config *config, int32_t comm, PVI(plan) **out) {
  if (!config || !out)
    return PVI_BAD_POINTER;
  PVI(plan) *plan = calloc(1, sizeof *plan);
  if (!plan)
    return PVI_NO_MEMORY;
  plan->config = *config;
  plan->history.held = -1;
  MPI_Comm_dup(MPI_Comm_f2c((MPI_Fint)comm), &plan->comm);
  /* A failed exchange must end the job: the other ranks would wait for ever. */
  MPI_Comm_set_errhandler(plan->comm, MPI_ERRORS_ARE_FATAL);
  MPI_Comm_rank(plan->comm, &plan->rank);
  MPI_Comm_size(plan->comm, &plan->n_ranks);
  const pvi_status status = build(plan);
  if (status == PVI_OK) {
    *out = plan;
  } else {
    PVI(destroy)(plan);
  }
  return status;
}

void PVI(destroy)(PVI(plan) *plan) {
  if (!plan)
    return;
  PVI(wave_destroy)(&plan->wave);
  PVI(wave_destroy)(&plan->second);
  PVI(history_close)(plan);
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (!finalized) {
    MPI_Comm_free(&plan->comm);
  }
  for (int axis = 0; axis < 3; axis++) {
    for (int side = 0; side < 2; side++) {
      PVI(damping) *d = &plan->damping[axis][side];
      free(d->a), free(d->b), free(d->a_half), free(d->b_half);
    }
  }
  free(plan->v), free(plan->gradient), free(plan->rhs), free(plan->tile);
  free(plan);
}

pvi_status PVI(set_storage)(PVI(plan) *plan, const pvi_storage *storage) {
  if (!plan)
    return PVI_BAD_POINTER;
  plan->stored = 0;
  const pvi_status mine = storage ? PVI(history_open)(plan, storage) : PVI_BAD_POINTER;
  const pvi_status status = PVI(agree)(plan, mine);
  if (status != PVI_OK)
    PVI(history_close)(plan);
  return status;
}
