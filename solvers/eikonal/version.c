/* The sources that this library was built from. */
#include "eikonal.h"

const char *pvi_source_hash(void) { return PVI_SOURCE_HASH; }
