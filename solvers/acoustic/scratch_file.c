/* A file without a name: space on a disk instead of memory. */
#include "scratch_file.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* The name is removed at once: no kill leaves a file behind. */
static int open_nameless(const char *folder) {
  char name[4096];
  const int length = snprintf(name, sizeof name, "%s/pvi-history-XXXXXX", folder);
  if (length < 0 || length >= (int)sizeof name)
    return -1;
  const int file = mkstemp(name);
  if (file >= 0)
    unlink(name);
  return file;
}

void *scratch_map(const char *folder, int64_t bytes) {
  const int file = open_nameless(folder);
  if (file < 0)
    return NULL;
  /* Space is taken now: a full disk must be an error here, not a signal later. */
  void *memory = MAP_FAILED;
  if (posix_fallocate(file, 0, bytes) == 0)
    memory = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  return memory == MAP_FAILED ? NULL : memory;
}

void scratch_unmap(void *memory, int64_t bytes) { munmap(memory, (size_t)bytes); }
