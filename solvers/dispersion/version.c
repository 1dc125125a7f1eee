/* The sources that this library was built from. */
#include "dispersion.h"

const char *pvi_source_hash(void) { return PVI_SOURCE_HASH; }
