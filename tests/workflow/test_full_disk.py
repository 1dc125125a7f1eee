"""Commands on a disk that is really full: a message and code 2, and the same bits later."""

import hashlib
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
RUN = "results/tiny/mean_field"


@cache
def mounting():
    """Return the command that gives a mount namespace of its own, or nothing."""
    for words in (["unshare", "-m"], ["unshare", "-Urm"]):
        command = [*words, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        try:
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return words
        except FileNotFoundError:
            break
    return []


SAMPLES = [f"{RUN}/{name}" for name in ("samples.nc", "posterior.h5", "posterior.vtkhdf")]
EXPORT = "export tiny/mean_field --fields mean,samples --format"
#: Commands, what is removed before, and ways to fill the disk: the bytes left, or other words.
ATTEMPTS = [
    ("posterior tiny mean_field", SAMPLES, ("0", "8192", "samples fit", "most fits")),
    ("answers tiny mean_field", [f"{RUN}/answers.json"], ("no files", "read-only")),
    *((f"{EXPORT} {form}", [], ("0", "4096", "65536")) for form in ("segy", "numpy", "vtkhdf")),
]


@pytest.fixture(scope="module")
def found(finished, tmp_path_factory):
    """Outcomes by command and way."""
    if not mounting():
        pytest.skip("needs unshare and the right to mount a small disk")
    sizes = [(finished.folder / name).stat().st_size for name in SAMPLES]
    left = {"samples fit": sizes[0] + 2**13, "most fits": sum(sizes) - 2**13}
    attempts = [
        {"words": words.split(), "remove": remove, "how": str(left.get(way, way))}
        for words, remove, ways in ATTEMPTS
        for way in ways
    ]
    disk = tmp_path_factory.mktemp("disk")
    done = subprocess.run(
        [*mounting(), sys.executable, HERE / "full_disk.py", disk, finished.folder],
        input=json.dumps(attempts),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcomes = iter(done.stdout.splitlines())
    return {
        words: {way: json.loads(next(outcomes)) for way in ways} for words, _, ways in ATTEMPTS
    }


def assert_refused(outcome, why="No space left on device"):
    """One message and code 2; every file is the old one, or a whole new one."""
    assert outcome["code"] == 2, outcome["said"]
    assert why in outcome["said"]
    assert "Make room (for files too: 'df -i'), or make the folder" in outcome["said"]
    assert "Traceback" not in outcome["said"]
    assert outcome["changed"] == []
    assert outcome["again"] == 0, outcome["told"]
    assert outcome["files"].items() >= outcome["new"].items()


def digests(project, names):
    return {
        name: hashlib.sha256((project.folder / name).read_bytes()).hexdigest() for name in names
    }


def test_a_posterior_is_written_whole_or_not_at_all(found, finished):
    outcomes = found["posterior tiny mean_field"].values()
    for outcome, written in zip(outcomes, (0, 0, 1, 2), strict=True):
        assert_refused(outcome, f"No space left on device: '{SAMPLES[written]}'")
        assert outcome["new"] == digests(finished, SAMPLES[:written])
        assert outcome["files"].items() >= digests(finished, SAMPLES).items()


def test_a_disk_that_has_no_files_left_or_is_read_only_is_said(found, finished):
    outcomes = found["answers tiny mean_field"]
    assert_refused(outcomes["no files"])
    assert_refused(outcomes["read-only"], "Read-only file system")
    for outcome in outcomes.values():
        assert outcome["new"] == {}
        assert outcome["files"].items() >= digests(finished, [f"{RUN}/answers.json"]).items()


@pytest.mark.parametrize("form", ["segy", "numpy", "vtkhdf"])
def test_an_export_is_written_whole_or_not_at_all(found, form):
    outcomes = found[f"{EXPORT} {form}"]
    for outcome in outcomes.values():
        assert_refused(outcome, f"No space left on device: '{RUN}/export/")
        assert outcome["files"] == outcomes["0"]["files"]
    assert outcomes["0"]["new"] == {} != outcomes["65536"]["new"]
