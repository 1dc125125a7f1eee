/* Damping of the convolutional PML (Komatitsch & Martin 2007, Geophysics 72(5)). */
#pragma once
#include "types.h"

/* a and b at place `cell` of an axis of the padded grid, half a cell beyond a cell included:
 * memory = b memory + a derivative. Both are 0 outside the layer. */
void cpml_coefficients(const pvi_config *config, int axis, double cell, double *a, double *b);
