/* What this library was built from. */
#include "variational_types.h"

const char *pvi_variational_source_hash(void) { return PVI_SOURCE_HASH; }
