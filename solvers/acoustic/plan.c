/* A plan is made once for a grid; it owns all large arrays. */
#include "plan.h"
#include "arrays.h"
#include <stdlib.h>

static pvi_status allocate(pvi_plan *plan) {
  const struct block *block = &plan->block;
  pvi_status status = tiling_create(block, &plan->tiling);
  if (status == PVI_OK)
    status = equation_create(&block->config, &block->g, &plan->equation);
  if (status != PVI_OK)
    return status;
  plan->gradient = zeros(block->g.cells, block->config.n_threads);
  return plan->gradient ? PVI_OK : PVI_NO_MEMORY;
}

static pvi_status build(pvi_plan *plan) {
  pvi_status status = block_create(&plan->block);
  if (status != PVI_OK)
    return status;
  status = agree(&plan->block, allocate(plan));
  return status == PVI_OK ? wave_create(&plan->block, &plan->wave) : status;
}

pvi_status pvi_create(const pvi_config *config, int32_t comm, pvi_plan **out) {
  if (!config || !out)
    return PVI_BAD_POINTER;
  pvi_plan *plan = calloc(1, sizeof *plan);
  if (!plan)
    return PVI_NO_MEMORY;
  plan->block.config = *config;
  plan->history.held = -1;
  MPI_Comm_dup(MPI_Comm_f2c((MPI_Fint)comm), &plan->block.comm);
  /* A failed exchange must end the job: the other ranks would wait for ever. */
  MPI_Comm_set_errhandler(plan->block.comm, MPI_ERRORS_ARE_FATAL);
  const pvi_status status = build(plan);
  if (status == PVI_OK) {
    *out = plan;
  } else {
    pvi_destroy(plan);
  }
  return status;
}

void pvi_destroy(pvi_plan *plan) {
  if (!plan)
    return;
  wave_destroy(&plan->wave);
  wave_destroy(&plan->second);
  history_close(&plan->history);
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (!finalized) {
    MPI_Comm_free(&plan->block.comm);
  }
  equation_destroy(&plan->equation);
  tiling_destroy(&plan->tiling);
  free(plan->gradient), free(plan->rhs);
  free(plan);
}

pvi_status pvi_set_storage(pvi_plan *plan, const pvi_storage *storage) {
  if (!plan)
    return PVI_BAD_POINTER;
  plan->stored = 0;
  pvi_status status = PVI_BAD_POINTER;
  if (storage)
    status =
        history_open(&plan->block.g, plan->block.config.n_threads, storage, &plan->history);
  status = agree(&plan->block, status);
  if (status != PVI_OK)
    history_close(&plan->history);
  return status;
}

void pvi_get_timers(const pvi_plan *plan, pvi_timers *timers) { *timers = plan->timers; }
