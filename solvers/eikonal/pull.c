/* The adjoint of the times: the transposed triangular system, from the last node back. */
#include "eikonal.h"
#include "stencil.h"
#include <string.h>

struct adjoint {
  const struct lattice *l;
  const double *slowness, *source, *factor;
  const uint16_t *stencil;
  double *field; /* by the factor of a node before it is passed, by its slowness afterwards */
};

/* Pass a node whose factor solves sum_k q_k^2 = s^2, q_k = a_k tau - b_k. */
static void pass_factored(const struct adjoint *m, int32_t node, const struct ray *ray) {
  const struct lattice *l = m->l;
  const uint16_t code = m->stencil[node];
  const int32_t first = anchor_of(code);
  const int32_t anchor = node + step_of(l, first, digit_of(code, first));
  struct term terms[3];
  double q[3], slope = 0;
  int32_t n = 0;
  for (int32_t axis = 0; axis < l->n_axes; axis++) {
    const int32_t digit = digit_of(code, axis);
    if (digit == PVI_NOTHING)
      continue;
    terms[n] = digit >= PVI_ACROSS ? across(l, ray, m->factor, anchor, axis, digit)
                                   : upwind(l, ray, m->factor, node, axis, digit);
    q[n] = terms[n].a * m->factor[node] - terms[n].b;
    slope += q[n] * terms[n].a;
    n++;
  }
  const double by = m->field[node] / slope;
  for (int32_t k = 0; k < n; k++) {
    m->field[terms[k].near] += by * q[k] * terms[k].per_near;
    if (terms[k].far >= 0)
      m->field[terms[k].far] += by * q[k] * terms[k].per_far;
  }
  m->field[node] = by * ray->square * m->slowness[node];
}

/* Pass a node whose time is that of a neighbour plus the spacing times the slowness. */
static void pass_plain(const struct adjoint *m, int32_t node, struct place p,
                       const struct ray *ray) {
  const int32_t axis = anchor_of(m->stencil[node]);
  const int32_t step = step_of(m->l, axis, digit_of(m->stencil[node], axis));
  p.i[axis] += step > 0 ? 1 : -1;
  const double by = m->field[node] / sqrt(ray->square);
  m->field[node + step] += by * sqrt(ray_to(m->l, m->l->n_axes, m->source, p).square);
  m->field[node] = by * m->l->spacing[axis];
}

static void pull_to(const struct adjoint *m, const int32_t *order, int64_t n) {
  double at_source = 0;
  for (int64_t i = n - 1; i >= 0; i--) {
    const int32_t node = order[i];
    if (m->field[node] == 0)
      continue;
    if (m->stencil[node] & PVI_AT_SOURCE) {
      m->field[node] *= 0.5;
      at_source += m->field[node];
      continue;
    }
    const struct place p = place_of(m->l, node);
    const struct ray ray = ray_to(m->l, m->l->n_axes, m->source, p);
    if (m->stencil[node] & PVI_PLAIN)
      pass_plain(m, node, p, &ray);
    else
      pass_factored(m, node, &ray);
  }
  const struct corners c = corners_of(m->l, m->source);
  for (int32_t j = 0; j < c.n; j++)
    m->field[c.node[j]] += c.weight[j] * at_source;
}

/* Put the derivatives by the factors about each receiver into the field. */
static void begin(const struct adjoint *m, const pvi_eikonal_survey *survey, int32_t source,
                  const double *cotangents) {
  memset(m->field, 0, (size_t)m->l->n * sizeof *m->field);
  for (int64_t i = survey->first[source]; i < survey->first[source + 1]; i++) {
    const double *receiver = survey->receivers + 3 * i;
    const struct corners c = corners_of(m->l, receiver);
    double square = 0;
    for (int32_t k = 0; k < m->l->n_axes; k++) {
      const double d = receiver[m->l->axis[k]] - m->source[m->l->axis[k]];
      square += d * d;
    }
    for (int32_t j = 0; j < c.n; j++)
      m->field[c.node[j]] += sqrt(square) * c.weight[j] * cotangents[i];
  }
}

pvi_eikonal_status pvi_eikonal_pull(const pvi_eikonal_grid *grid,
                                    const pvi_eikonal_survey *survey, const double *slowness,
                                    const pvi_eikonal_march *march, const double *cotangents,
                                    double *work, double *gradient) {
  if (!grid || !survey || !slowness || !march || !cotangents || !work || !gradient)
    return PVI_EIKONAL_BAD_POINTER;
  const struct lattice l = make_lattice(grid);
  if (!l.n_axes || survey->n_sources < 1)
    return PVI_EIKONAL_BAD_SHAPE;
#pragma omp parallel num_threads(grid->n_threads)
  {
#pragma omp for schedule(dynamic)
    for (int32_t i = 0; i < survey->n_sources; i++) {
      const struct adjoint m = {&l,
                                slowness,
                                survey->sources + 3 * i,
                                march->factor + i * l.n,
                                march->stencil + i * l.n,
                                work + i * l.n};
      begin(&m, survey, i, cotangents);
      pull_to(&m, march->order + i * l.n, march->n[i]);
    }
#pragma omp for schedule(static)
    for (int64_t node = 0; node < l.n; node++) {
      double sum = 0;
      for (int32_t i = 0; i < survey->n_sources; i++)
        sum += work[i * l.n + node];
      gradient[node] = sum;
    }
  }
  return PVI_EIKONAL_OK;
}
