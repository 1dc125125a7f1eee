/* Memory that lies in a file of its own, gone when it is unmapped or the process ends. */
#pragma once
#include <stdint.h>

/* NULL if the folder cannot be written or has not that much space. */
void *scratch_map(const char *folder, int64_t bytes);
void scratch_unmap(void *memory, int64_t bytes);
