/* Fast marching: nodes are accepted in the order of their times. */
#include "eikonal.h"
#include "node.h"
#include <stdlib.h>
#include <string.h>

/* Set the nodes within one spacing of the source along every axis: their factor is the mean of
 * the slowness at both ends of the ray. */
static void start(struct march *m) {
  const struct lattice *l = m->l;
  const struct corners c = corners_of(l, m->source);
  double s = 0;
  for (int32_t j = 0; j < c.n; j++)
    s += c.weight[j] * m->slowness[c.node[j]];
  int32_t low[3] = {0, 0, 0}, high[3] = {0, 0, 0};
  for (int32_t k = 0; k < l->n_axes; k++) {
    const double at = m->source[l->axis[k]] / l->spacing[k], slack = 1e-9;
    low[k] = (int32_t)fmax(0, ceil(at - 1 - slack));
    high[k] = (int32_t)fmin(l->shape[k] - 1, floor(at + 1 + slack));
  }
  struct place p;
  for (p.i[0] = low[0]; p.i[0] <= high[0]; p.i[0]++)
    for (p.i[1] = low[1]; p.i[1] <= high[1]; p.i[1]++)
      for (p.i[2] = low[2]; p.i[2] <= high[2]; p.i[2]++) {
        int32_t node = l->origin;
        for (int32_t k = 0; k < l->n_axes; k++)
          node += p.i[k] * l->stride[k];
        m->factor[node] = 0.5 * (s + m->slowness[node]);
        m->stencil[node] = PVI_AT_SOURCE;
        m->s.state[node] = FIXED;
        const double square = ray_to(l, l->n_axes, m->source, p).square;
        m->s.time[node] = sqrt(square) * m->factor[node];
        push(&m->s.heap, (struct entry){m->s.time[node], node});
      }
}

/* Return about when a node is reached, of first order and cheap: this only orders nodes. */
static inline double estimate(const struct march *m, int32_t n_axes, int32_t node) {
  const double s = m->slowness[node];
  const double *time = m->s.time;
  const uint8_t *state = m->s.state;
  double first = INFINITY, sum_1 = 0, sum_t = 0, sum_tt = -s * s, last = 0;
  for (int32_t k = 0; k < n_axes; k++) {
    const int32_t step = m->l->stride[k];
    double t = INFINITY;
    if (state[node - step] == ACCEPTED)
      t = time[node - step];
    if (state[node + step] == ACCEPTED && time[node + step] < t)
      t = time[node + step];
    if (!(t < INFINITY))
      continue;
    const double by = m->l->inverse[k] * m->l->inverse[k];
    first = fmin(first, t + m->l->spacing[k] * s);
    last = fmax(last, t);
    sum_1 += by;
    sum_t += by * t;
    sum_tt += by * t * t;
  }
  if (first <= last)
    return first;
  const double root = sum_t * sum_t - sum_1 * sum_tt;
  return root >= 0 ? (sum_t + sqrt(root)) / sum_1 : first;
}

/* Put the neighbour `step` away from an accepted node among those to be accepted, or move it.
 */
static inline void touch(struct march *m, int32_t n_axes, int32_t node, int32_t step) {
  uint8_t *state = m->s.state;
  /* Where the neighbour beyond is there already, it came first: nothing is new. */
  if (state[node] != FAR && (state[node] != TRIAL || state[node + step] == ACCEPTED))
    return;
  const struct entry e = {estimate(m, n_axes, node), node};
  if (state[node] == TRIAL) {
    move(&m->s.heap, e);
  } else {
    state[node] = TRIAL;
    push(&m->s.heap, e);
  }
}

/* Accept nodes until all that are wanted have been; return how many. */
static inline int64_t advance(struct march *m, int32_t n_axes, int32_t *order,
                              int64_t n_wanted) {
  struct heap *heap = &m->s.heap;
  int64_t n = 0;
  while (n_wanted > 0 && heap->n > 0) {
    const int32_t node = pop(heap);
    const struct place p = place_of(m->l, node);
    if (m->s.state[node] == TRIAL) {
      /* Its place among the others was an estimate. */
      const struct entry e = {renew(m, n_axes, node, p), node};
      if (heap->n > 0 && e.time > heap->entries[0].time) {
        push(heap, e);
        continue;
      }
    }
    order[n++] = node;
    m->s.state[node] = ACCEPTED;
    n_wanted -= m->s.wanted[node];
    for (int32_t k = 0; k < n_axes; k++)
      for (int32_t side = -1; side <= 1; side += 2) {
        const int32_t step = side * m->l->stride[k];
        touch(m, n_axes, node + step, step);
      }
  }
  return n;
}

/* Every node far, those of the margin outside. */
static void clear(const struct lattice *l, struct scratch *s) {
  memset(s->state, OUTSIDE, (size_t)l->n);
  memset(s->wanted, 0, (size_t)l->n);
  s->heap.n = 0;
  int32_t shape[3] = {1, 1, 1}, stride[3] = {0, 0, 0};
  for (int32_t k = 0; k < l->n_axes; k++) {
    shape[3 - l->n_axes + k] = l->shape[k];
    stride[3 - l->n_axes + k] = l->stride[k];
  }
  for (int32_t z = 0; z < shape[0]; z++)
    for (int32_t y = 0; y < shape[1]; y++)
      memset(s->state + l->origin + z * stride[0] + y * stride[1], FAR, (size_t)shape[2]);
}

/* Compute the times of one source; false if a receiver cannot be reached. */
static int march_from(struct march *m, const pvi_eikonal_survey *survey, int32_t source,
                      int32_t *order, int64_t *n, double *times) {
  const int64_t begin = survey->first[source], end = survey->first[source + 1];
  int64_t n_wanted = 0;
  clear(m->l, &m->s);
  for (int64_t i = begin; i < end; i++) {
    const struct corners c = corners_of(m->l, survey->receivers + 3 * i);
    for (int32_t j = 0; j < c.n; j++) {
      n_wanted += !m->s.wanted[c.node[j]];
      m->s.wanted[c.node[j]] = 1;
    }
  }
  start(m);
  switch (m->l->n_axes) {
  case 2: *n = advance(m, 2, order, n_wanted); break;
  default: *n = advance(m, m->l->n_axes, order, n_wanted);
  }
  int finite = 1;
  for (int64_t i = begin; i < end; i++) {
    const double *receiver = survey->receivers + 3 * i;
    const struct corners c = corners_of(m->l, receiver);
    double factor = 0, square = 0;
    for (int32_t j = 0; j < c.n; j++)
      factor += c.weight[j] * m->factor[c.node[j]];
    for (int32_t k = 0; k < m->l->n_axes; k++) {
      const double d = receiver[m->l->axis[k]] - m->source[m->l->axis[k]];
      square += d * d;
    }
    times[i] = sqrt(square) * factor;
    finite &= isfinite(times[i]) != 0;
  }
  return finite;
}

static int allocate(struct scratch *s, int64_t nodes) {
  const size_t n = (size_t)nodes;
  s->heap.entries = malloc(n * sizeof *s->heap.entries);
  s->heap.place = malloc(n * sizeof *s->heap.place);
  s->time = malloc(n * sizeof *s->time);
  s->state = malloc(n);
  s->wanted = malloc(n);
  return s->heap.entries && s->heap.place && s->time && s->state && s->wanted;
}

static void release(struct scratch *s) {
  free(s->heap.entries);
  free(s->heap.place);
  free(s->time);
  free(s->state);
  free(s->wanted);
}

int64_t pvi_eikonal_nodes(const pvi_eikonal_grid *grid) {
  const struct lattice l = make_lattice(grid);
  return l.n_axes ? l.n : 0;
}

pvi_eikonal_status pvi_eikonal_times(const pvi_eikonal_grid *grid,
                                     const pvi_eikonal_survey *survey, const double *slowness,
                                     const pvi_eikonal_march *march, double *times) {
  if (!grid || !survey || !slowness || !march || !times || !survey->sources || !survey->first ||
      !survey->receivers)
    return PVI_EIKONAL_BAD_POINTER;
  const struct lattice l = make_lattice(grid);
  if (!l.n_axes || survey->n_sources < 1)
    return PVI_EIKONAL_BAD_SHAPE;
  int lost = 0, unreached = 0;
#pragma omp parallel num_threads(grid->n_threads) reduction(| : lost, unreached)
  {
    struct scratch s = {.heap = {.n = 0}};
    lost = !allocate(&s, l.n);
#pragma omp for schedule(dynamic)
    for (int32_t i = 0; i < survey->n_sources; i++) {
      if (lost)
        continue;
      struct march m = {&l,
                        slowness,
                        survey->sources + 3 * i,
                        march->factor + i * l.n,
                        march->stencil + i * l.n,
                        s};
      unreached |= !march_from(&m, survey, i, march->order + i * l.n, march->n + i, times);
    }
    release(&s);
  }
  if (lost)
    return PVI_EIKONAL_NO_MEMORY;
  return unreached ? PVI_EIKONAL_UNREACHED : PVI_EIKONAL_OK;
}
