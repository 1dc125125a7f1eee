/* A binary heap of nodes by their time, each of which can be moved when its time changes. */
#pragma once
#include <stdint.h>

struct entry {
  double time;
  int32_t node;
};

struct heap {
  struct entry *entries; /* [nodes] */
  int32_t *place;        /* [nodes]: where each node is among the entries */
  int32_t n;
};

static inline void put(struct heap *h, int32_t at, struct entry e) {
  h->entries[at] = e;
  h->place[e.node] = at;
}

/* Move an entry that belongs at `at` or nearer to the root. */
static inline void sift_up(struct heap *h, int32_t at, struct entry e) {
  while (at > 0) {
    const int32_t parent = (at - 1) / 2;
    if (h->entries[parent].time <= e.time)
      break;
    put(h, at, h->entries[parent]);
    at = parent;
  }
  put(h, at, e);
}

/* Move an entry that belongs at `at` or farther from the root. */
static inline void sift_down(struct heap *h, int32_t at, struct entry e) {
  for (;;) {
    int32_t child = 2 * at + 1;
    if (child >= h->n)
      break;
    if (child + 1 < h->n && h->entries[child + 1].time < h->entries[child].time)
      child++;
    if (h->entries[child].time >= e.time)
      break;
    put(h, at, h->entries[child]);
    at = child;
  }
  put(h, at, e);
}

static inline void push(struct heap *h, struct entry e) { sift_up(h, h->n++, e); }

static inline void move(struct heap *h, struct entry e) {
  const int32_t at = h->place[e.node];
  if (e.time < h->entries[at].time)
    sift_up(h, at, e);
  else
    sift_down(h, at, e);
}

static inline int32_t pop(struct heap *h) {
  const int32_t node = h->entries[0].node;
  const struct entry last = h->entries[--h->n];
  if (h->n > 0)
    sift_down(h, 0, last);
  return node;
}
