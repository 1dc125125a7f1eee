"""Writes SEG-Y and SU byte by byte: the readers must not be tested against a library."""

import struct

import numpy as np

#: Field of a trace header: first byte (from 1) and code of `struct`.
TRACE = {
    "fldr": (9, "i"), "tracf": (13, "i"), "trid": (29, "h"), "duse": (35, "h"),
    "offset": (37, "i"),
    "gelev": (41, "i"), "selev": (45, "i"), "sdepth": (49, "i"), "scalel": (69, "h"),
    "scalco": (71, "h"), "sx": (73, "i"), "sy": (77, "i"), "gx": (81, "i"), "gy": (85, "i"),
    "counit": (89, "h"), "tstat": (103, "h"), "laga": (105, "h"), "lagb": (107, "h"),
    "delrt": (109, "h"), "ns": (115, "H"), "dt": (117, "H"), "gain": (121, "h"),
    "wgt": (169, "h"), "cdpx": (181, "i"), "cdpy": (185, "i"), "il": (189, "i"),
    "xl": (193, "i"), "unit": (203, "h"),
}  # fmt: skip
#: Fields of the binary header of SEG-Y.
BINARY = {
    "dt": (3217, "H"), "ns": (3221, "H"), "format": (3225, "h"), "sorting": (3229, "h"),
    "recovered": (3251, "h"), "units": (3255, "h"), "polarity": (3257, "h"), "xns": (3269, "i"),
    "xdt": (3273, "d"), "endian": (3297, "I"), "rev": (3501, "H"), "ext": (3505, "h"),
    "addl": (3507, "h"), "addl4": (3507, "i"), "ntraces": (3513, "Q"), "first": (3521, "Q"),
    "trailers": (3529, "i"),
}  # fmt: skip
WORDS = {
    1: "u4", 2: "i4", 3: "i2", 5: "f4", 6: "f8", 8: "i1", 9: "i8", 10: "u4", 11: "u2",
    12: "u8", 16: "u1",
}  # fmt: skip


def trace_header(i=0, n=50, order=">", **fields):
    """Return the 240 bytes of trace `i` of a shot; lengths are in metres."""
    good = {
        "fldr": 1, "tracf": i + 1, "trid": 1, "scalel": 1, "scalco": 1, "counit": 1, "ns": n,
        "dt": 4000, "sx": 300, "sy": 300, "sdepth": 60, "gx": 100 + 50 * i, "gy": 300,
        "gelev": -60,
    }  # fmt: skip
    out = bytearray(240)
    for name, value in {**good, **fields}.items():
        first, code = TRACE[name]
        struct.pack_into(order + code, out, first - 1, int(value))
    return bytes(out)


def segy(path, traces, *, code=5, order=">", after=b"", extension=b"", end=b"", **binary):
    """Write SEG-Y of `traces`, pairs of header fields and samples (raw words for code 1).

    `after` follows the first 3600 bytes, `extension` each trace header, `end` the traces.
    """
    start = bytearray(3600)
    start[:3200] = b"C 1 MADE FOR A TEST".ljust(3200)
    n = len(traces[0][1])
    good = {"dt": 4000, "ns": n & 0xFFFF, "format": code, "units": 1}
    for name, value in {**good, **binary}.items():
        first, kind = BINARY[name]
        struct.pack_into(order + kind, start, first - 1, value)
    with path.open("wb") as file:
        file.write(start + after)
        for i, (fields, samples) in enumerate(traces):
            file.write(trace_header(**{"i": i, "n": n & 0xFFFF, "order": order, **fields}))
            file.write(extension)
            file.write(np.asarray(samples).astype(order + WORDS[code]).tobytes())
        file.write(end)
    return path


def su(path, traces, *, order="<"):
    """Write SU of `traces`, pairs of header fields and samples."""
    with path.open("wb") as file:
        for i, (fields, samples) in enumerate(traces):
            good = {"i": i, "n": len(samples), "order": order}
            file.write(trace_header(**{**good, **fields}))
            file.write(np.asarray(samples).astype(order + "f4").tobytes())
    return path


def noise(n_traces, n=50, seed=0):
    """Return `(n_traces, n)` random samples."""
    return np.random.default_rng(seed).standard_normal((n_traces, n)).astype(np.float32)
