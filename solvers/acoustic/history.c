#include "history.h"
#include "halo.h"
#include "packed.h"
#include "scratch_file.h"
#include <stdlib.h>
#include <string.h>

static int32_t segments(const pvi_storage *s) {
  return s->nt > 1 ? (s->nt - 2) / s->segment + 1 : 1;
}

static int64_t slot_bytes(const PVI(geometry) *g, const pvi_storage *s) {
  return s->packed ? PVI(packed_bytes)(g) : (int64_t)g->cells * (int64_t)sizeof(real);
}

/* Slots of a segment; the last may be shorter. */
static int64_t kept_steps(const pvi_storage *s) {
  const int32_t steps = s->nt - 1 < s->segment ? s->nt - 1 : s->segment;
  return (steps + s->every - 1) / s->every;
}

int64_t PVI(history_bytes)(const PVI(geometry) *g, const pvi_storage *s, int64_t *file) {
  const int64_t kept = kept_steps(s) * slot_bytes(g, s);
  const int64_t states = segments(s) > 1 ? s->slots + 1 : 0; /* and the second wave */
  *file = s->folder ? kept : 0;
  int64_t reals = states * PVI(state_reals)(g);
  if (states)
    reals += PVI(halo_reals)(g); /* of the second wave too */
  if (s->packed)
    reals += g->cells;
  return reals * (int64_t)sizeof(real) + (s->folder ? 0 : kept);
}

static pvi_status check(const pvi_storage *s) {
  if (s->nt < 1 || s->every < 1 || s->segment < 1 || s->slots < 0)
    return PVI_BAD_VALUE;
  if (s->segment % s->every != 0)
    return PVI_BAD_VALUE;
  return segments(s) > 1 && !s->split ? PVI_BAD_POINTER : PVI_OK;
}

/* States are touched when they are written. */
static pvi_status open_states(PVI(history) *h, const PVI(geometry) *g) {
  const int64_t size = PVI(state_reals)(g);
  const size_t slots = (size_t)h->set.slots;
  const size_t table = (size_t)(h->n_segments + 1) * (slots + 1);
  h->split = malloc(table * sizeof *h->split);
  h->saved = malloc((slots + 1) * sizeof *h->saved);
  h->state = calloc(slots + 1, sizeof *h->state);
  if (!h->split || !h->saved || !h->state)
    return PVI_NO_MEMORY;
  memcpy(h->split, h->set.split, table * sizeof *h->split);
  for (int32_t i = 0; i < h->set.slots; i++) {
    h->state[i] = PVI(unset)(size);
    if (!h->state[i])
      return PVI_NO_MEMORY;
  }
  return PVI_OK;
}

pvi_status PVI(history_open)(PVI(plan) *plan, const pvi_storage *storage) {
  PVI(history_close)(plan);
  const pvi_status status = check(storage);
  if (status != PVI_OK)
    return status;
  PVI(history) *h = &plan->history;
  h->set = *storage;
  h->set.folder = NULL;
  h->n_segments = segments(storage);
  h->slot = slot_bytes(&plan->g, storage);
  h->held = -1;
  const int64_t bytes = h->slot * (kept_steps(storage) > 0 ? kept_steps(storage) : 1);
  if (storage->packed && !(h->buffer = PVI(zeros)(plan->g.cells, plan->config.n_threads)))
    return PVI_NO_MEMORY;
  if (h->n_segments > 1 && open_states(h, &plan->g) != PVI_OK)
    return PVI_NO_MEMORY;
  if (storage->folder) {
    h->mapped = bytes;
    h->memory = pvi_scratch_map(storage->folder, bytes);
    return h->memory ? PVI_OK : PVI_NO_DISK;
  }
  h->memory = PVI(unset)(bytes / (int64_t)sizeof(real) + 1);
  return h->memory ? PVI_OK : PVI_NO_MEMORY;
}

void PVI(history_close)(PVI(plan) *plan) {
  PVI(history) *h = &plan->history;
  if (h->memory && h->mapped) {
    pvi_scratch_unmap(h->memory, h->mapped);
  } else {
    free(h->memory);
  }
  for (int32_t i = 0; h->state && i < h->set.slots; i++)
    free(h->state[i]);
  free(h->buffer), free(h->split), free(h->saved), free(h->state);
  *h = (PVI(history)){.held = -1};
}

/* The middle step of every so many stands for all of them. */
static void *slot_of(const PVI(history) *h, int32_t n) {
  const int32_t every = h->set.every;
  if (n % every != every / 2)
    return NULL;
  return (char *)h->memory + n % h->set.segment / every * h->slot;
}

real *PVI(history_target)(PVI(plan) *plan, int32_t n) {
  const PVI(history) *h = &plan->history;
  void *slot = slot_of(h, n);
  return slot && h->set.packed ? h->buffer : slot;
}

void PVI(history_put)(PVI(plan) *plan, int32_t n) {
  const PVI(history) *h = &plan->history;
  void *slot = slot_of(h, n);
  if (slot && h->set.packed)
    PVI(pack)(&plan->g, plan->config.n_threads, h->buffer, slot);
}

real *PVI(history_get)(PVI(plan) *plan, int32_t n) {
  const PVI(history) *h = &plan->history;
  void *slot = slot_of(h, n);
  if (!slot || !h->set.packed)
    return slot;
  PVI(unpack)(&plan->g, plan->config.n_threads, slot, h->buffer);
  return h->buffer;
}
