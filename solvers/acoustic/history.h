/* Right-hand sides of a segment of time steps, and states to run other segments again. */
#pragma once
#include "geometry.h"

/* Both belong to one run; see history_open. */
struct history {
  const struct geometry *g;
  int n_threads;
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
};

/* Allocate what a storage asks for; what it replaces is released. Not collective. The
 * geometry must outlive the history. */
pvi_status history_open(const struct geometry *g, int n_threads, const pvi_storage *storage,
                        struct history *history);
void history_close(struct history *history);

/* Bytes in memory for one block; those of the right-hand sides alone go to `file` if the
 * storage has a folder. */
int64_t history_bytes(const struct geometry *g, const pvi_storage *storage, int64_t *file);

/* Where the kernel puts the right-hand side of step n: NULL if the step is not kept. */
real *history_target(const struct history *history, int32_t n);
/* The kernel has done so. */
void history_put(const struct history *history, int32_t n);
/* The right-hand side of step n, NULL if it is not kept; good until the next call. */
real *history_get(const struct history *history, int32_t n);
