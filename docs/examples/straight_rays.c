// A forward problem in C for `forward: {kind: command}`: travel times along straight rays.
//
//   straight_rays FOLDER IDENTITY WANT SPACING_M
//
// Every line of cells along z, y or x is a ray; its travel time is the sum of spacing / speed.
// FOLDER holds model.npy (nz, ny, nx) and, for WANT = gradient, adjoint_source.npy (n). The
// program writes data.npy (n) or gradient.npy (nz, ny, nx), and answer.json last of all.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 128 }; // bytes before the numbers of a file that we write

struct array {
  size_t shape[3];
  size_t size;
  double *values;
};

static void fail(const char *what, const char *name) {
  fprintf(stderr, "straight_rays: %s: %s\n", what, name);
  exit(1);
}

static void path_of(char *path, size_t room, const char *folder, const char *name) {
  if (snprintf(path, room, "%s/%s", folder, name) >= (int)room) {
    fail("the path is too long", folder);
  }
}

// Read a file of float64 in C order that numpy.save wrote (format version 1.0).
static struct array read_npy(const char *folder, const char *name) {
  char path[4096];
  path_of(path, sizeof path, folder, name);
  FILE *file = fopen(path, "rb");
  uint8_t start[10];
  if (!file || fread(start, 1, 10, file) != 10 || memcmp(start, "\x93NUMPY", 6) != 0) {
    fail("not a .npy file", path);
  }
  size_t length = start[8] + 256u * start[9];
  char *header = calloc(length + 1, 1);
  if (!header || fread(header, 1, length, file) != length || !strstr(header, "<f8")) {
    fail("not little-endian float64", path);
  }
  struct array array = {{1, 1, 1}, 1, NULL};
  const char *at = strstr(header, "'shape': (");
  at = at ? at + strlen("'shape': (") : NULL;
  for (int axis = 0; at && axis < 3 && *at >= '0' && *at <= '9'; ++axis) {
    char *end;
    array.shape[axis] = strtoul(at, &end, 10);
    array.size *= array.shape[axis];
    at = end + strspn(end, ", ");
  }
  free(header);
  array.values = malloc(array.size * sizeof(double));
  if (!array.values || fread(array.values, sizeof(double), array.size, file) != array.size) {
    fail("the file is too short", path);
  }
  fclose(file);
  return array;
}

// Write float64 in C order as numpy.load reads it; `shape` is its text, such as "(5,)".
static void write_npy(const char *folder, const char *name, const char *shape,
                      const double *values, size_t size) {
  char path[4096], header[HEADER];
  path_of(path, sizeof path, folder, name);
  memset(header, ' ', sizeof header);
  memcpy(header, "\x93NUMPY\x01\x00", 8);
  header[8] = HEADER - 10;
  header[9] = 0;
  int n = snprintf(header + 10, sizeof header - 10,
                   "{'descr': '<f8', 'fortran_order': False, 'shape': %s, }", shape);
  header[10 + n] = ' ';
  header[HEADER - 1] = '\n';
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(header, 1, HEADER, file) != HEADER ||
      fwrite(values, sizeof(double), size, file) != size || fclose(file) != 0) {
    fail("cannot be written", path);
  }
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fail("needs FOLDER IDENTITY WANT SPACING_M, got other arguments", argv[0]);
  }
  const char *folder = argv[1], *identity = argv[2], *want = argv[3];
  const double spacing = atof(argv[4]);
  struct array model = read_npy(folder, "model.npy");
  const size_t nz = model.shape[0], ny = model.shape[1], nx = model.shape[2];
  const size_t n = ny * nx + nz * nx + nz * ny;
  const int backwards = strcmp(want, "gradient") == 0;
  struct array rays = {{n, 1, 1}, n, NULL};
  if (backwards) {
    rays = read_npy(folder, "adjoint_source.npy");
    if (rays.size != n) {
      fail("adjoint_source.npy has another size than the data", folder);
    }
  } else {
    rays.values = calloc(n, sizeof(double));
  }
  double *gradient = calloc(model.size, sizeof(double));
  if (!gradient || !rays.values) {
    fail("there is no memory", folder);
  }
  for (size_t z = 0; z < nz; ++z) {
    for (size_t y = 0; y < ny; ++y) {
      for (size_t x = 0; x < nx; ++x) {
        const size_t cell = (z * ny + y) * nx + x;
        const size_t through[3] = {y * nx + x, ny * nx + z * nx + x,
                                   ny * nx + nz * nx + z * ny + y};
        const double v = model.values[cell];
        for (int axis = 0; axis < 3; ++axis) {
          if (backwards) {
            gradient[cell] -= rays.values[through[axis]] * spacing / (v * v);
          } else {
            rays.values[through[axis]] += spacing / v;
          }
        }
      }
    }
  }
  char shape[96], path[4096];
  if (backwards) {
    snprintf(shape, sizeof shape, "(%zu, %zu, %zu)", nz, ny, nx);
    write_npy(folder, "gradient.npy", shape, gradient, model.size);
  } else {
    snprintf(shape, sizeof shape, "(%zu,)", n);
    write_npy(folder, "data.npy", shape, rays.values, n);
  }
  path_of(path, sizeof path, folder, "answer.json");
  FILE *answer = fopen(path, "w");
  if (!answer || fprintf(answer, "{\"identity\": \"%s\"}\n", identity) < 0 ||
      fclose(answer) != 0) {
    fail("cannot be written", path);
  }
  free(gradient);
  free(rays.values);
  free(model.values);
  return 0;
}
