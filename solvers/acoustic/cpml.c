/* The damping grows with the square of the depth in the layer. */
#include "cpml.h"
#include "decompose.h"
#include <math.h>

static const double PI = 3.14159265358979323846;
/* Amplitude that comes back at normal incidence, in theory. Layers of 10 and 20 cells measure
 * -63 and -88 dB at 60 degrees (order 8, 10 points a wavelength). 1e-3 allows 20 cells no more
 * than -62 dB; with 1e-5 the damping of 10 cells is too steep for their number: -58 dB. */
static const double REFLECTION = 1e-4;

/* Cells between a place in the padded grid and the physical box; 0 inside it. */
static double depth(const pvi_config *config, int axis, double cell) {
  const double before = layer_cells(config, axis, 0);
  const double after = before + config->shape[axis] - 1;
  if (cell < before)
    return before - cell;
  return cell > after ? cell - after : 0;
}

void cpml_coefficients(const pvi_config *config, int axis, double cell, double *a, double *b) {
  const double cells = depth(config, axis, cell);
  *a = *b = 0;
  if (cells <= 0 || cell > padded_cells(config, axis) - 1)
    return;

  const double thickness = config->n_pml * config->spacing[axis];
  const double x = cells / config->n_pml;
  const double largest = -1.5 * config->pml_velocity * log(REFLECTION) / thickness;
  const double damping = largest * x * x;
  const double shift = 0.5 * PI * config->pml_frequency * (1 - x);
  *b = exp(-(damping + shift) * config->dt);
  *a = damping / (damping + shift) * (*b - 1);
}
