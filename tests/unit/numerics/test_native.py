"""Compiled libraries are found, and refused on a processor that cannot run them."""

from pathlib import Path

import pytest

from pvi_hpc.errors import SolverError
from pvi_hpc.numerics import native

LIBRARY = "libpvi_acoustic_f32_o8.so"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a library, on a processor that knows AVX2, FMA and BMI."""
    (tmp_path / LIBRARY).touch()
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nflags\t\t: fpu sse4_2 avx avx2 fma bmi1 bmi2\nbugs :\n")
    monkeypatch.setattr(native, "CPU_INFO", info)
    monkeypatch.setenv("PVI_NATIVE_DIR", str(tmp_path))
    return tmp_path


def test_a_library_for_this_processor_is_found(folder):
    (folder / native.INSTRUCTIONS).write_text("SSE4_2\nAVX\nAVX2\nFMA\nBMI\nBMI2\n")
    assert native.library_folder(LIBRARY) == folder


def test_a_library_for_a_newer_processor_is_refused_with_the_remedy(folder):
    (folder / native.INSTRUCTIONS).write_text("AVX2\nAVX512F\nAVX512VL\n")
    with pytest.raises(SolverError, match=r"lacks \(avx512f, avx512vl\).*PVI_MARCH"):
        native.library_folder(LIBRARY)


def test_where_the_system_does_not_tell_the_library_is_taken(folder, monkeypatch):
    (folder / native.INSTRUCTIONS).write_text("AVX512F\n")
    monkeypatch.setattr(native, "CPU_INFO", folder / "none")
    assert native.library_folder(LIBRARY) == folder


def test_a_missing_library_is_named(folder):
    with pytest.raises(SolverError, match=r"libother\.so was not found"):
        native.library_folder("libother.so")


def test_the_installed_libraries_say_what_they_use(monkeypatch):
    monkeypatch.delenv("PVI_NATIVE_DIR", raising=False)
    assert (native.library_folder(LIBRARY) / native.INSTRUCTIONS).is_file()
