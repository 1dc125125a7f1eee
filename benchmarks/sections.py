"""Measure the solver on a section; the last line is one JSON object.

    python benchmarks/sections.py [--rounds 5]

The grid and the record of the acquisition that this field publishes for 2D inversion: 250 x 110
nodes at 20 m, 10 Hz, 250 receivers, 2001 steps of 2 ms, one thread. Seconds are of the CPU, and
the least of all rounds counts: other work on the machine only adds to them. Cells are those of
the padded grid. A gradient is the forward run, stored as the package chooses, and the adjoint.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver, SolverSettings
from pvi_hpc.forward.acoustic.history.storage_choice import RunSize, choose_storage
from pvi_hpc.forward.acoustic.history.storage_request import StorageWish

__all__: list[str] = []

NZ, NX, STEPS = 110, 250, 2001
SPACING_M, DT_S, PEAK_HZ = 20.0, 2e-3, 10.0
ORDERS: Final = (4, 8, 12)
#: The order and the layer whose figures are printed last: those of the package's defaults.
ORDER, LAYER = 8, 10
#: Cell updates a core and second of the 2D solver of GeoPVI (2025-10), order 6.
PEER_CELLS_PER_S: Final = 0.1e9


def measured(order: int, layer: int, rounds: int) -> tuple[float, float]:
    """Return the least CPU seconds of a forward run, and of a gradient."""
    settings = SolverSettings(
        (NZ, 1, NX), 3 * (SPACING_M,), DT_S, 4500.0, PEAK_HZ, n_pml=layer, order=order
    )
    wish = StorageWish(f_max=3 * PEAK_HZ)
    storage = choose_storage(settings, RunSize(STEPS, NX), wish).storage
    u = (np.pi * PEAK_HZ * (DT_S * np.arange(STEPS) - 1.2 / PEAK_HZ)) ** 2
    wavelet, x = (1 - 2 * u) * np.exp(-u), SPACING_M * np.arange(NX)
    receivers = np.stack([np.full(NX, 180.0), np.zeros(NX), x], axis=1)
    shot = np.array([20.0, 0.0, 2480.0]), wavelet, receivers
    model = np.broadcast_to(np.linspace(1500, 4500, NZ)[:, None, None], settings.shape)
    with AcousticSolver(settings, storage=storage) as solver:
        solver.set_model(model)

        def gradient() -> None:
            solver.gradient(solver.forward(*shot, store=True))

        return least(lambda: solver.forward(*shot), rounds), least(gradient, rounds)


def least(run: Callable[[], object], rounds: int) -> float:
    """Return the least CPU seconds of a call."""
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def main() -> None:
    """Print a table, and the figures of the default order and layer as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    line = {}
    print(f"{'order':>5} {'layer':>5} {'forward s':>10} {'Gcells/s':>9} {'gradient s':>11}")
    for order in ORDERS:
        for layer in (LAYER, 2 * LAYER):
            forward, gradient = measured(order, layer, given.rounds)
            rate = (NZ + 2 * layer) * (NX + 2 * layer) * STEPS / forward
            print(f"{order:5} {layer:5} {forward:10.4f} {rate / 1e9:9.2f} {gradient:11.4f}")
            if (order, layer) == (ORDER, LAYER):
                line = {
                    "fwi2d_gcells_per_s_per_core": rate / 1e9,
                    "fwi2d_s_per_shot_gradient": gradient,
                    "fwi2d_forward_times_peer": rate / PEER_CELLS_PER_S,
                }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
