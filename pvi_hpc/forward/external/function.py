"""A Python function as forward problem: `forward: {kind: function, function: module:name}`."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pvi_hpc.data.survey import Survey
from pvi_hpc.errors import ConfigError, Finding, PviError, SolverError, error
from pvi_hpc.forward.external.problem import ExternalProblem
from pvi_hpc.forward.external.results import BadResultError
from pvi_hpc.forward.external.settings import ExternalSettings
from pvi_hpc.forward.external.solver import Result, Simulation
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.plugins import PathName

__all__ = ["FunctionProblem", "FunctionSettings"]

Array = NDArray[np.float64]


class FunctionSettings(ExternalSettings):
    """A Python function that simulates one shot of one model."""

    kind: Literal["function"] = "function"
    function: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] = Field(
        description="The function, as `module:name`."
    )
    directory: PathName = Field(
        ".", description="Folder of the module, if it is not installed; before all others."
    )
    arguments: dict[str, Any] = Field(
        {}, description="More keyword arguments of the function, in every call."
    )
    gradient: Literal["returned", "autograd", "differences"] = Field(
        "returned",
        description="Origin of gradients; returned: the function returns a pair; autograd: "
        "by PyTorch; differences: two simulations for each cell, for small problems.",
    )


class FunctionProblem(ExternalProblem):
    """A Python function of the model.

    It is called as `function(model)`, or `function(model, shot=i)` with more than one shot,
    with a model `(nz, ny, nx)` float64 (a tensor with `gradient: autograd`). It returns the
    data `(n,)`, the log-likelihood or the misfit; with `gradient: returned` the pair of that
    and its gradient `(nz, ny, nx)`, or, of data, a function that takes a derivative by the
    data to one by the model.
    """

    kind = "function"
    Options: ClassVar[type[FunctionSettings]] = FunctionSettings

    @classmethod
    def simulation(cls, options: Any, setup: SimulationSetup, folder: Path) -> Simulation:
        """Return the function, imported."""
        directory = Path(setup.place["launched_in"]) / options.directory
        return _Calls(_load(options.function, directory), options)

    def sources(self) -> list[Path]:
        """Return the file of the module, where it is one."""
        module = self.options.function.partition(":")[0]
        found = _find(module, Path(self.options.directory))
        return [] if found is None else [found]

    def check(self, survey: Survey) -> Iterator[Finding]:
        """Check that the function can be imported and called."""
        yield from super().check(survey)
        options: FunctionSettings = self.options
        try:
            function = _load(options.function, Path(options.directory).resolve())
        except PviError as fault:
            yield error("forward.function", str(fault))
            return
        given: dict[str, Any] = {**options.arguments}
        if options.shots > 1:
            given["shot"] = 0
        try:
            inspect.signature(function).bind(np.zeros(1), **given)
        except (TypeError, ValueError) as fault:
            yield error(
                "forward.function",
                f"'{options.function}' must take the model and {sorted(given)} by name, but: "
                f"{fault}; change the function or 'forward.arguments'.",
            )


class _Calls:
    """Calls a function once a simulation; a `Simulation`."""

    def __init__(self, function: Callable[..., Any], options: FunctionSettings) -> None:
        self.function, self.options = function, options

    def run(self, model: Array, shot: int, *, gradient: bool) -> Result:
        """Call the function; an exception of it fails the simulation."""
        given = dict(self.options.arguments)
        if self.options.shots > 1:
            given["shot"] = shot
        try:
            if self.options.gradient == "autograd":
                return self._by_autograd(model, given, gradient=gradient)
            result = self.function(model.copy(), **given)
        except PviError:
            raise
        except Exception as fault:
            raise SolverError(
                f"'{self.options.function}' raised {type(fault).__name__}: {fault}"
            ) from fault
        if self.options.gradient == "differences":
            return Result(result)
        if not isinstance(result, tuple) or len(result) != 2:
            raise BadResultError(
                f"'{self.options.function}' must return a pair with 'forward.gradient: "
                f"returned', got {type(result).__name__}; return the gradient too, or set "
                "'autograd' or 'differences'."
            )
        value, derivative = result
        if self.options.returns != "data":
            return Result(value, derivative)
        if not callable(derivative):
            raise BadResultError(
                f"'{self.options.function}' must return a function as the second of its pair "
                f"with 'forward.returns: data', got {type(derivative).__name__}: it takes the "
                "derivative of the misfit by the data, and returns that by the model."
            )
        return Result(value, self._guarded(derivative))

    def close(self) -> None:
        """Nothing runs between calls."""

    def _guarded(self, pull_back: Callable[[Array], Any]) -> Callable[[Array], Any]:
        """Return a pull-back whose exceptions fail the simulation."""

        def guarded(derivative: Array) -> Any:
            try:
                return pull_back(derivative)
            except Exception as fault:
                raise SolverError(
                    f"the derivative of '{self.options.function}' raised "
                    f"{type(fault).__name__}: {fault}"
                ) from fault

        return guarded

    def _by_autograd(self, model: Array, given: dict[str, Any], *, gradient: bool) -> Result:
        import torch

        leaf = torch.from_numpy(model.copy()).requires_grad_(gradient)
        with torch.set_grad_enabled(gradient):
            value = self.function(leaf, **given)
        if not isinstance(value, torch.Tensor):
            raise BadResultError(
                f"'{self.options.function}' must return a tensor with 'forward.gradient: "
                f"autograd', got {type(value).__name__}."
            )

        def pull(cotangent: Any) -> Array:
            seed = torch.as_tensor(cotangent, dtype=value.dtype).reshape(value.shape)
            options = {"allow_unused": True, "retain_graph": True}
            pulled = torch.autograd.grad(value, leaf, seed, **options)[0]
            return np.zeros(model.shape) if pulled is None else pulled.numpy()

        plain = value.detach().numpy()
        if not gradient:
            return Result(plain)
        if not value.requires_grad:
            raise BadResultError(
                f"'{self.options.function}' must compute its result from the model with "
                "PyTorch, without 'detach' or 'numpy', with 'forward.gradient: autograd'."
            )
        guarded = self._guarded(pull)
        whole = self.options.returns != "data"
        return Result(plain, guarded(np.ones(())) if whole else guarded)


def _load(name: str, directory: Path) -> Callable[..., Any]:
    """Return the function `module:name`; ConfigError where there is none."""
    module, _, attribute = name.partition(":")
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as fault:  # Whatever the user's module does when it is imported.
        raise ConfigError(
            f"'forward.function: {name}' cannot be imported ({type(fault).__name__}: {fault}); "
            f"correct it, or set 'forward.directory' to the module's folder (now {directory})."
        ) from fault
    if not callable(found):
        raise ConfigError(f"'forward.function: {name}' must be a function, got {found!r}.")
    function: Callable[..., Any] = found
    return function


def _find(module: str, directory: Path) -> Path | None:
    """Return the file of a module without importing it; None where it is no file."""
    path: list[str] | None = [str(directory.resolve()), *sys.path]
    spec = None
    parts = module.split(".")
    for i in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: i + 1]), path)
        if spec is None:
            return None
        path = (
            None
            if spec.submodule_search_locations is None
            else [*spec.submodule_search_locations]
        )
    has_file = spec is not None and spec.origin is not None and Path(spec.origin).is_file()
    return Path(str(spec.origin)) if spec is not None and has_file else None
