"""A controller to be killed: prints its workers, then iterates for ever."""

import sys
from pathlib import Path

from execution_case import make_execution, make_models, make_setup

from pvi_hpc.execution.cluster.local import LocalExecutor
from pvi_hpc.execution.dask_simulator import DaskSimulator

if __name__ == "__main__":
    setup = make_setup(Path(sys.argv[1]))
    with DaskSimulator(LocalExecutor(), setup, make_execution(ranks=2)) as simulator:
        while True:
            simulator.misfit_and_gradient(make_models(2), [range(6)] * 2)
            print("iteration", flush=True)
