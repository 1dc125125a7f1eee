"""One solver in a process of its own, in its own environment, told by JSON lines what to do."""

import importlib
import json
import resource
import sys
import time

import numpy as np
from case import Case

__all__: list[str] = []


def peak_gb() -> float:
    """Return the largest resident size this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def main() -> None:
    """Run `serve.py MODULE`; answers go to the real standard output, chatter does not."""
    answers, sys.stdout = sys.stdout, sys.stderr
    peer = importlib.import_module(sys.argv[1]).Peer
    solver = None
    for line in sys.stdin:
        order = json.loads(line)
        answer: dict[str, float | str] = {}
        if order["do"] == "open":
            solver = peer(Case(**order["case"]))
        elif order["do"] in ("forward", "gradient"):
            start = time.perf_counter()
            result = getattr(solver, order["do"])()
            answer["seconds"] = time.perf_counter() - start
            if "save" in order:
                np.save(order["save"], result)
        elif order["do"] == "settings":
            answer["settings"] = getattr(solver, "settings", "its defaults")
        print(json.dumps({**answer, "peak_gb": peak_gb()}), file=answers, flush=True)


if __name__ == "__main__":
    main()
