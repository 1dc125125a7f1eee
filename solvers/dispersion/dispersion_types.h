/* Statuses and settings that the caller and the dispersion solver exchange. */
#pragma once
#include <stdint.h>

typedef enum {
  PVI_DISPERSION_OK = 0,
  PVI_DISPERSION_BAD_SHAPE,   /* a size is not positive, or a mode is negative */
  PVI_DISPERSION_BAD_POINTER, /* a required argument is NULL */
  PVI_DISPERSION_BAD_MODEL,   /* a velocity, density or thickness is impossible */
  PVI_DISPERSION_NO_MEMORY,   /* an allocation failed */
  PVI_DISPERSION_LOST         /* a root, or the derivative at one, is not finite */
} pvi_dispersion_status;

typedef enum { PVI_DISPERSION_RAYLEIGH = 0, PVI_DISPERSION_LOVE = 1 } pvi_dispersion_wave;

/* Solid layers from the top down, the last one a half-space; and water above them. */
typedef struct {
  int32_t n_layers;
  const double *thickness; /* [n_layers] [m]; that of the half-space is not used */
  const double *vp;        /* [n_layers] [m/s], larger than vs sqrt(4 / 3) */
  const double *vs;        /* [n_layers] [m/s], positive */
  const double *density;   /* [n_layers] [kg/m3], positive */
  double water_thickness;  /* [m]; 0: no water */
  double water_velocity;   /* [m/s] */
  double water_density;    /* [kg/m3] */
} pvi_dispersion_model;

/* What is asked for: points of dispersion curves. */
typedef struct {
  int32_t n_points;
  const int32_t *wave;  /* [n_points] pvi_dispersion_wave */
  const int32_t *mode;  /* [n_points]; 0 is the fundamental mode */
  const double *period; /* [n_points] [s], positive */
  int32_t n_threads;    /* never changes a bit of a result */
} pvi_dispersion_points;
