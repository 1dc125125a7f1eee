/* A model at one frequency and one trial velocity, and what is found there. */
#pragma once
#include "dispersion.h"

/* The secular function, zero where a mode has the trial velocity; and the modes slower than it.
 */
typedef struct {
  double secular;
  int32_t slower;
} pvi_trial;

pvi_trial pvi_rayleigh_trial(const pvi_dispersion_model *m, double omega, double c);
pvi_trial pvi_love_trial(const pvi_dispersion_model *m, double omega, double c);

/* Derivatives of the secular function, each a value and a tiny imaginary part: that of its
 * change with omega and c, whose own imaginary parts say along what. */
typedef struct {
  double _Complex omega, c;       /* in: where; real parts are the root */
  double _Complex by_omega, by_c; /* out */
  double _Complex *by_layer;      /* out: by vp, vs and density [3][n_layers] */
  double _Complex *work;          /* scratch [PVI_DISPERSION_WORK][n_layers] */
} pvi_slope;

enum { PVI_DISPERSION_WORK = 16 };

void pvi_rayleigh_slope(const pvi_dispersion_model *m, pvi_slope *slope);
void pvi_love_slope(const pvi_dispersion_model *m, pvi_slope *slope);

/* The root of a mode, velocity[0], or exists[0] = 0. */
pvi_dispersion_status pvi_dispersion_root(const pvi_dispersion_model *m, int32_t wave,
                                          int32_t mode, double omega, double *velocity,
                                          int32_t *exists);
