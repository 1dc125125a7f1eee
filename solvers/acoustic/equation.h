/* Coefficients of the discrete wave equation in the block of a rank. */
#pragma once
#include "geometry.h"

/* Centred weights of the second derivative without the spacing (Fornberg 1988, Mathematics of
 * Computation 51). */
static const double stencil_weights[HALO + 1] =
#if PVI_ORDER == 4
    {-5.0 / 2, 4.0 / 3, -1.0 / 12};
#elif PVI_ORDER == 8
    {-205.0 / 72, 8.0 / 5, -1.0 / 5, 8.0 / 315, -1.0 / 560};
#elif PVI_ORDER == 12
    {-5369.0 / 1800, 12.0 / 7, -15.0 / 56, 10.0 / 189, -1.0 / 112, 2.0 / 1925, -1.0 / 16632};
#endif

/* Damping of one side of the layer by cell - begin, zero outside the layer. */
struct damping {
  real *a, *b;           /* at cells */
  real *a_half, *b_half; /* half a cell on; a_half is divided by the spacing squared */
};

struct equation {
  real d2[3][HALO + 1]; /* stencil weights over the spacing squared */
  real inv_h2[3];
  struct damping damping[3][2];
  real *v; /* c^2 dt^2; zero outside the block */
};

/* Allocate and fill all but v, which is zero until there is a model. Not collective. */
pvi_status equation_create(const pvi_config *config, const struct geometry *g,
                           struct equation *e);
void equation_destroy(struct equation *e);
