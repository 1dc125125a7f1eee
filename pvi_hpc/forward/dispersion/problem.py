"""Dispersion of surface waves: `forward: {kind: dispersion, picks: ...}`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Survey
from pvi_hpc.data.survey_file import read_survey
from pvi_hpc.errors import Finding, error, ok, warning
from pvi_hpc.forward.dispersion.columns import ColumnCurves, columns_of
from pvi_hpc.forward.dispersion.observed import survey_of_curves, true_shear, wanted
from pvi_hpc.forward.dispersion.picks import read_dispersion
from pvi_hpc.forward.dispersion.settings import DispersionSettings
from pvi_hpc.forward.external.problem import ExternalProblem
from pvi_hpc.forward.external.solver import Simulation
from pvi_hpc.forward.problem import SimulationCost
from pvi_hpc.forward.setup import SimulationSetup

__all__ = ["DispersionProblem"]

#: Duration of one layer of one point, without and with a gradient [s].
LAYER_S: Final = 2.5e-6
LAYER_GRADIENT_S: Final = 3e-6
#: Room of a process, and of a layer of a point for derivatives [bytes].
ROOM: Final = 200e6
SLOPE_BYTES: Final = 8 * (6 + 2 + 1)
#: A half-space nearer than this share of the longest wavelength is seen by it.
SEEN: Final = 0.5
#: vp over vs of a material that keeps its volume positive under every stress: sqrt(4 / 3).
STIFF: Final = float(np.sqrt(4 / 3))


class DispersionProblem(ExternalProblem):
    """Phase and group velocities of Rayleigh and Love waves; gradients are exact."""

    kind = "dispersion"
    Options: ClassVar[type[DispersionSettings]] = DispersionSettings

    @classmethod
    def simulation(cls, options: Any, setup: SimulationSetup, folder: Path) -> Simulation:
        """Return the curves of each column.

        Raises
        ------
        SurveyError
            If the picks cannot be read, or do not fit the grid.
        """
        picks = wanted(options, read_dispersion(options.picks))
        return ColumnCurves(options, setup.grid, columns_of(picks, setup.grid), setup.threads)

    @classmethod
    def observed(cls, path: Path) -> Survey:
        """Return all data in memory."""
        return read_survey(path)

    def sources(self) -> list[Path]:
        """Return the file of the picks, and that of the true model."""
        options: DispersionSettings = self.options
        model = None if options.synthetic is None else options.synthetic.model
        given = [options.picks, getattr(model, "file", None)]
        return [Path(name) for name in given if name is not None]

    def inputs(self) -> list[str]:
        """Return the same files."""
        return [str(path) for path in self.sources()]

    def geometry(self) -> Survey:
        """Return the curves, one shot a column; synthetic ones are computed, in seconds."""
        attributes = {"kind": self.kind, **self._hashes()}
        return survey_of_curves(self.options, self.domain.grid, attributes)

    def true_model(self) -> NDArray[np.float32] | None:
        """Return the model `(nz, ny, nx)` [m/s] of synthetic curves; None: unknown."""
        if self.options.synthetic is None:
            return None
        model = true_shear(self.options.synthetic.model, self.domain.grid)
        return model.astype(np.float32)

    def check(self, survey: Survey) -> Iterator[Finding]:
        """Check velocities that the prior allows, modes that exist, and the grid's depth."""
        yield from super().check(survey)
        low, high = self.domain.prior_range
        if not low > 0:
            yield error(
                "prior.lower_m_s",
                f"must be positive with 'forward.kind: dispersion', or the prior allows "
                f"{low:g} m/s; set the lowest shear velocity that rocks may have.",
            )
            return
        impossible = list(self._check_scaling(low, high))
        if impossible:
            yield from impossible
            return
        options: DispersionSettings = self.options
        grid = self.domain.grid
        depth = options.water_layer[0] + grid.shape[0] * grid.spacing[0]
        if options.radius_m is not None and options.radius_m <= depth:
            yield error(
                "forward.radius_m",
                f"must be larger than the {depth:g} m of water and layers, got "
                f"{options.radius_m:g} m; null means flat layers.",
            )
            return
        columns = columns_of(wanted(options, read_dispersion(options.picks)), grid)
        # A prior without bounds has very wide ones; rocks have not.
        steep = np.linspace(low, min(high, 10 * low), grid.shape[0])
        model = np.broadcast_to(steep[:, None, None], grid.shape)
        curves = ColumnCurves(options, grid, columns, self.domain.threads)
        lost = sum(
            int((~curves.simulate(model, i, gradient=False)[0].exists).sum())
            for i in range(len(columns))
        )
        if lost:
            yield warning(
                "forward.picks",
                f"has {lost} points of modes that even a model from {low:g} m/s at the top to "
                f"{steep[-1]:g} m/s in the half-space does not guide; where a model does not, "
                "the velocity is vs of its half-space. See that waves and modes are right.",
            )
        yield from self._check_depth(survey, columns)

    def cost(self, survey: Survey) -> SimulationCost:
        """Return the cost of the curve of one column."""
        points = max(len(shot.receivers) for shot in survey.shots)
        work = points * self.domain.grid.shape[0]
        return SimulationCost(
            memory=int(ROOM + work * SLOPE_BYTES),
            forward_seconds=LAYER_S * work,
            gradient_seconds=LAYER_GRADIENT_S * work,
            storage="keeps the derivatives of every point.",
            basis=f"assumed {LAYER_GRADIENT_S * 1e6:g} us a layer and point",
        )

    def _check_scaling(self, low: float, high: float) -> Iterator[Finding]:
        vs = np.linspace(low, min(high, 10 * low), 200)
        rock = self.options.scaling.rock(vs)
        wrong = (rock.vp <= STIFF * vs) | (rock.density <= 0)
        if wrong.any():
            yield error(
                "forward.scaling",
                "must give a vp of more than 1.155 vs and a positive density for every "
                "velocity that the prior allows, got "
                f"vp = {rock.vp[wrong][0]:g} m/s and a density of {rock.density[wrong][0]:g} "
                f"kg/m3 at vs = {vs[wrong][0]:g} m/s; narrow the "
                "prior, or choose another relation.",
            )

    def _check_depth(self, survey: Survey, columns: list[Any]) -> Iterator[Finding]:
        grid = self.domain.grid
        depth = (grid.shape[0] - 1) * grid.spacing[0]
        longest = max(
            float(np.max(column.picks.period * shot.data[:, 0]))
            for column, shot in zip(columns, survey.shots, strict=True)
        )
        group = sum(int(column.picks.group.sum()) for column in columns)
        radius = self.options.radius_m
        shape = "flat" if radius is None else f"shells of a sphere of {radius / 1e3:.6g} km"
        yield ok(
            "forward",
            f"{survey.n_traces - group} phase and {group} group velocities in {len(columns)} "
            f"column(s); wavelengths up to {longest / 1e3:.3g} km; layers are {shape}.",
        )
        if depth < SEEN * longest:
            yield warning(
                "grid.shape",
                f"puts the half-space at {depth:g} m below the first cell's top, and waves as "
                f"long as {longest:.3g} m see deeper than that: its velocity will stand for "
                "all below. Add cells, or make them thicker.",
            )
