/* Slots of one segment are used again by every other. */
#include "history.h"
#include "arrays.h"
#include "halo.h"
#include "packed.h"
#include "scratch_file.h"
#include "state.h"
#include <stdlib.h>
#include <string.h>

static int32_t segments(const pvi_storage *s) {
  return s->nt > 1 ? (s->nt - 2) / s->segment + 1 : 1;
}

static int64_t slot_bytes(const struct geometry *g, const pvi_storage *s) {
  return s->packed ? pvi_packed_bytes(g) : (int64_t)g->cells * (int64_t)sizeof(real);
}

/* Slots of a segment; the last may be shorter. */
static int64_t kept_steps(const pvi_storage *s) {
  const int32_t steps = s->nt - 1 < s->segment ? s->nt - 1 : s->segment;
  return (steps + s->every - 1) / s->every;
}

int64_t history_bytes(const struct geometry *g, const pvi_storage *s, int64_t *file) {
  const int64_t kept = kept_steps(s) * slot_bytes(g, s);
  const int64_t states = segments(s) > 1 ? s->slots + 1 : 0; /* and the second wave */
  *file = s->folder ? kept : 0;
  int64_t reals = states * state_reals(g);
  if (states)
    reals += halo_reals(g); /* of the second wave too */
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
static pvi_status open_states(struct history *h, const int32_t *split) {
  const int64_t size = state_reals(h->g);
  const size_t slots = (size_t)h->set.slots;
  const size_t table = (size_t)(h->n_segments + 1) * (slots + 1);
  h->split = malloc(table * sizeof *h->split);
  h->saved = malloc((slots + 1) * sizeof *h->saved);
  h->state = calloc(slots + 1, sizeof *h->state);
  if (!h->split || !h->saved || !h->state)
    return PVI_NO_MEMORY;
  memcpy(h->split, split, table * sizeof *h->split);
  for (int32_t i = 0; i < h->set.slots; i++) {
    h->state[i] = unset(size);
    if (!h->state[i])
      return PVI_NO_MEMORY;
  }
  return PVI_OK;
}

pvi_status history_open(const struct geometry *g, int n_threads, const pvi_storage *storage,
                        struct history *h) {
  history_close(h);
  const pvi_status status = check(storage);
  if (status != PVI_OK)
    return status;
  h->g = g;
  h->n_threads = n_threads;
  h->set = *storage;
  h->set.folder = NULL, h->set.split = NULL;
  h->n_segments = segments(storage);
  h->slot = slot_bytes(g, storage);
  const int64_t bytes = h->slot * (kept_steps(storage) > 0 ? kept_steps(storage) : 1);
  if (storage->packed && !(h->buffer = zeros(g->cells, n_threads)))
    return PVI_NO_MEMORY;
  if (h->n_segments > 1 && open_states(h, storage->split) != PVI_OK)
    return PVI_NO_MEMORY;
  if (storage->folder) {
    h->mapped = bytes;
    h->memory = scratch_map(storage->folder, bytes);
    return h->memory ? PVI_OK : PVI_NO_DISK;
  }
  h->memory = unset(bytes / (int64_t)sizeof(real) + 1);
  return h->memory ? PVI_OK : PVI_NO_MEMORY;
}

void history_close(struct history *h) {
  if (h->memory && h->mapped) {
    scratch_unmap(h->memory, h->mapped);
  } else {
    free(h->memory);
  }
  for (int32_t i = 0; h->state && i < h->set.slots; i++)
    free(h->state[i]);
  free(h->buffer), free(h->split), free(h->saved), free(h->state);
  *h = (struct history){.held = -1};
}

/* The middle step of every so many stands for all of them. */
static void *slot_of(const struct history *h, int32_t n) {
  const int32_t every = h->set.every;
  if (n % every != every / 2)
    return NULL;
  return (char *)h->memory + n % h->set.segment / every * h->slot;
}

real *history_target(const struct history *h, int32_t n) {
  void *slot = slot_of(h, n);
  return slot && h->set.packed ? h->buffer : slot;
}

void history_put(const struct history *h, int32_t n) {
  void *slot = slot_of(h, n);
  if (slot && h->set.packed)
    pvi_pack(h->g, h->n_threads, h->buffer, slot);
}

real *history_get(const struct history *h, int32_t n) {
  void *slot = slot_of(h, n);
  if (!slot || !h->set.packed)
    return slot;
  pvi_unpack(h->g, h->n_threads, slot, h->buffer);
  return h->buffer;
}
