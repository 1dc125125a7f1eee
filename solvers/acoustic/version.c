/* The sources that this library was built from, and the MPI library it runs with. */
#include "acoustic.h"
#include <mpi.h>
#include <string.h>

const char *pvi_source_hash(void) { return PVI_SOURCE_HASH; }

int32_t pvi_mpi_version(char *text, int32_t size) {
  char version[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(version, &length);
  if (length >= size)
    length = size - 1;
  memcpy(text, version, (size_t)length);
  text[length] = '\0';
  return length;
}
