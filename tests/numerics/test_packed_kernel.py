"""Right-hand sides in 16 bits, against the same format written in numpy."""

import re
from pathlib import Path

import numpy as np
import pytest
from cffi import FFI

from pvi_hpc.forward.acoustic.library import REALS, library_name
from pvi_hpc.numerics.native import library_folder, plain_c

SOURCES = Path(__file__).parents[2] / "solvers" / "acoustic"
BLOCK = 64  # cells of a row that share a scale
N, PITCH = (3, 5, 150), 160  # two blocks and a short one, and cells beyond a row's end


class Kernels:
    """pvi_pack and pvi_unpack, declared from their own headers."""

    def __init__(self, dtype, order, n_threads):
        headers = [SOURCES / name for name in ("types.h", "geometry.h", "packed.h")]
        code = re.sub(r"static inline[^{]*{[^}]*}", "", "".join(map(plain_c, headers)))
        library = library_name(dtype, order)
        self.ffi, self.dtype, self.n_threads = FFI(), dtype, n_threads
        self.ffi.cdef(f"typedef {REALS[dtype][0]} real;" + code)
        self.lib = self.ffi.dlopen(str(library_folder(library) / library))
        self.geometry = self.ffi.new("struct geometry *", {"n": N, "row": PITCH})

    def packed_bytes(self):
        return self.lib.pvi_packed_bytes(self.geometry)

    def pack(self, rhs):
        packed = np.zeros(self.packed_bytes(), np.uint8)
        pointers = self.ffi.from_buffer("real[]", rhs), self.ffi.from_buffer(packed)
        self.lib.pvi_pack(self.geometry, self.n_threads, *pointers)
        return packed

    def unpack(self, packed):
        rhs = np.full((*N[:2], PITCH), -7.0, self.dtype)
        pointers = self.ffi.from_buffer(packed), self.ffi.from_buffer("real[]", rhs)
        self.lib.pvi_unpack(self.geometry, self.n_threads, *pointers)
        return rhs


def twin(rhs):
    """Scale of every cell (nz, ny, nx) float32, and the values in units of it, not rounded."""
    scale = np.zeros(N, np.float32)
    for start in range(0, N[2], BLOCK):
        block = np.s_[..., start : min(start + BLOCK, N[2])]
        largest = np.abs(rhs[..., : N[2]][block]).max(axis=-1, keepdims=True)
        scale[block] = largest.astype(np.float32) / np.float32(32767)
    scale[scale <= 1e-36] = 0
    units = np.divide(rhs[..., : N[2]], scale, where=scale > 0, out=np.zeros(N))
    return scale, units


def fields(dtype):
    """Rows of very different sizes; zeros, and values too small for a scale, among them."""
    rng = np.random.default_rng(31)
    rhs = rng.standard_normal((*N[:2], PITCH)) * 10.0 ** rng.uniform(-20, 20, (*N[:2], 1))
    rhs[0, 0, :BLOCK], rhs[1, 2] = 0, 1e-34 * rhs[1, 2] / np.abs(rhs[1, 2]).max()
    return rhs.astype(dtype)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(("dtype", "order"), [("float32", 8), ("float64", 4)])
def test_the_packed_numbers_are_those_of_the_numpy_twin(dtype, order, n_threads):
    kernels, rhs = Kernels(dtype, order, n_threads), fields(dtype)
    back = kernels.unpack(kernels.pack(rhs))
    scale, units = twin(rhs)
    assert (scale == 0).any() and (scale > 0).any()
    np.testing.assert_array_equal(back[..., N[2] :], -7)  # only cells are written
    back = back[..., : N[2]].astype(float)
    np.testing.assert_array_equal(back[scale == 0], 0)
    numbers = back[scale > 0] / scale[scale > 0].astype(float)
    whole = np.rint(numbers)
    # Products in float32 are whole numbers of 16 bits to some 2^-23 of their size.
    np.testing.assert_allclose(numbers, whole, rtol=2e-7, atol=0)
    assert np.abs(whole).max() == 32767  # the largest of every 64 has all bits
    # Nearest, but for the rounding of a quotient of up to 32767 in float32.
    assert np.abs(whole - units[scale > 0]).max() <= 0.5 + 32767 * 2.0**-23


def test_packing_again_what_was_packed_changes_nothing():
    kernels = Kernels("float64", 12, 1)
    once = kernels.unpack(kernels.pack(fields("float64")))
    once[..., N[2] :] = 0
    twice = kernels.unpack(kernels.pack(once))
    np.testing.assert_allclose(twice[..., : N[2]], once[..., : N[2]], rtol=1e-6, atol=0)


def test_sixteen_bits_a_cell_are_all_it_takes_but_scales():
    n_bytes = Kernels("float32", 8, 1).packed_bytes()
    rows = N[0] * N[1]
    assert rows * (2 * N[2] + 4 * 3) <= n_bytes <= rows * (2 * (N[2] + 7) + 4 * 3) + 64
