/* Damping of the convolutional PML (Komatitsch & Martin 2007, Geophysics 72(5)). */
#pragma once
#include "types.h"

/* a and b of padded cell `cell` of an axis: memory = b memory + a derivative. */
void pvi_cpml(const pvi_config *config, int axis, int32_t cell, double *a, double *b);
