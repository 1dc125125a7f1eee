"""`environment.yml`, the conda recipe and `pyproject.toml` list the same dependencies."""

from declared import pyproject, read, specifiers, wanted

#: Compilers and what pip does not install.
CONDA_ONLY = {"python", "pip", "c-compiler", "cmake", "ninja"}


def test_conda_and_pip_install_the_same_packages():
    extras = pyproject()["project"]["optional-dependencies"]
    lines = read("environment.yml")["dependencies"]
    by_pip = [each for line in lines if isinstance(line, dict) for each in line["pip"]]
    listed = specifiers([*(line for line in lines if isinstance(line, str)), *by_pip])
    assert {n: s for n, s in listed.items() if n not in CONDA_ONLY} == wanted(*extras)


def test_the_recipe_runs_with_what_the_package_needs():
    required = read("distribution/recipe.yaml")["requirements"]
    run = specifiers(required["run"])
    assert run.pop("python") == pyproject()["project"]["requires-python"]
    assert run == wanted("mpi", "cluster")


def test_the_recipe_builds_with_what_the_package_is_built_with():
    required = read("distribution/recipe.yaml")["requirements"]
    assert "${{ compiler('c') }}" in required["build"]
    host = specifiers(required["host"])
    expected = specifiers(pyproject()["build-system"]["requires"]) | wanted("mpi")
    assert {name: host[name] for name in host if name in expected} == {
        name: expected[name] for name in ("scikit-build-core", "mpich")
    }


def test_no_requirement_names_a_build_of_torch():
    assert "+" not in wanted()["pytorch"]
