"""The container's definition and the citation agree with the package."""

import subprocess

from apptainer import copied_files, header, section
from declared import ROOT, pyproject, read
from packaging.specifiers import SpecifierSet

import pvi_hpc


def test_one_version_everywhere():
    versions = {
        pvi_hpc.__version__,
        pyproject()["project"]["version"],
        read("CITATION.cff")["version"],
        read("distribution/recipe.yaml")["context"]["version"],
    }
    assert len(versions) == 1


def test_the_citation_has_what_its_format_demands():
    citation = read("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    project = pyproject()["project"]
    assert [a["name"] for a in citation["authors"]] == [a["name"] for a in project["authors"]]
    assert citation["license"] == project["license"]
    assert citation["keywords"] == project["keywords"]


def test_the_container_copies_files_that_exist_each_to_its_place():
    for source, target in copied_files().items():
        assert (ROOT / source).exists(), source
        assert target == f"/opt/source/{source}"


def test_the_container_has_a_python_that_the_package_runs_on():
    image, _, tag = header()["From"].partition(":")
    assert (header()["Bootstrap"], image) == ("docker", "python")
    assert tag.split("-")[0] in SpecifierSet(pyproject()["project"]["requires-python"])


def test_the_container_is_set_up_by_the_bootstrap_script():
    post = section("post")
    subprocess.run(["bash", "-n"], input="\n".join(post), text=True, check=True)
    assert any(line.endswith(" scripts/bootstrap.sh") for line in post)
    settings = dict(
        word.split("=") for line in post if "export" in line for word in line.split()[1:]
    )
    script = (ROOT / "scripts" / "bootstrap.sh").read_text()
    assert all(f"${{{name}:-" in script for name in settings)
    extras = pyproject()["project"]["optional-dependencies"]
    assert set(settings["PVI_EXTRAS"].split(",")) < extras.keys()
    # What is called in the container is what was installed.
    assert f"export PATH={settings['PVI_VENV']}/bin:$PATH" in section("environment")
