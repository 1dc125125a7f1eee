"""Measure posteriors that are learnt; the last line is one JSON object.

    python benchmarks/amortised.py --wheel build/sbibm/sbibm-1.1.0-py2.py3-none-any.whl
        [--tasks two_moons slcp ...] [--observations 1 2 ...] [--simulations 10000]
        [--rounds 4] [--draws 10000] [--bank bank.json ...] [--learnt learn.json ...]

For each problem one flow is trained on all simulations (`npe`: it serves all observations), and
rounds with as many simulations are made for each observation (`infm`). Both are compared with
the reference posterior by a classifier (C2ST: 0.5 where it cannot tell them apart, 1 where it
always can) by the recipe of sbibm: two layers of ten units an unknown, five folds.
--bank and --learnt read what `pvi sample-prior` and `pvi learn` have written. What was not
measured is null.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from amortised_tasks import TASKS, References, Task

from pvi_hpc.inference.amortised.posterior import Amortised
from pvi_hpc.inference.amortised.rounds.simulated import infer_in_rounds
from pvi_hpc.inference.amortised.settings import (
    NetworkSettings,
    RoundSettings,
    TrainingSettings,
)

KEYS = (
    "two_moons_c2st_infm",
    "slcp_c2st_infm",
    "slcp_c2st_npe",
    "sir_c2st_infm",
    "linear_uniform_c2st_infm",
    "dispersion_sd_error",
    "sbc_min_p",
    "prior_sampling_controller_share",
)
#: Share of all simulations that the first round takes.
FIRST = 0.4


def c2st(reference: np.ndarray, drawn: np.ndarray) -> float:
    """Return the accuracy of a classifier that tells draws from those of the reference."""
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.neural_network import MLPClassifier

    mean, sd = reference.mean(axis=0), reference.std(axis=0, ddof=1)
    x = (np.concatenate([reference, drawn]) - mean) / sd
    y = np.repeat([0, 1], [len(reference), len(drawn)])
    width = 10 * reference.shape[1]
    classifier = MLPClassifier((width, width), max_iter=10_000, random_state=1)
    folds = KFold(5, shuffle=True, random_state=1)
    return float(cross_val_score(classifier, x, y, cv=folds).mean())


def learnt(task: Task, data: np.ndarray, sizes: list[int], args: argparse.Namespace):
    """Return rounds with these numbers of simulations."""
    rng = np.random.default_rng(args.seed)
    settings = RoundSettings(
        at_most=len(sizes), draws=sizes[-1], cut=args.cut, agreement=1e-9
    )  # so that all simulations are made
    return infer_in_rounds(
        lambda m: task.simulate(m, rng),
        task.n,
        data,
        sizes[0],
        network=NetworkSettings(kind=args.network, options=json.loads(args.options)),
        training=TrainingSettings(
            seed=args.seed, batch=args.batch, patience=args.patience, max_epochs=args.epochs
        ),
        rounds=settings,
        unknowns=task.prior,
        told=lambda done: print(f"  {done.account.sentence}", file=sys.stderr, flush=True),
    )


def judged(
    task: Task, network: Amortised, number: int, references: References, draws: int
) -> float:
    """Return the C2ST of a network's posterior for one observation."""
    data = references.observation(task, number)
    drawn = network.posterior(data).sample(draws, seed=number)[0]
    return c2st(references.posterior(task, number)[:draws], drawn)


def measure(name: str, args: argparse.Namespace) -> dict[str, list[float]]:
    """Return the C2ST of one flow and of rounds, for each observation."""
    task, references = TASKS[name], References(args.wheel)
    found: dict[str, list[float]] = {"npe": [], "infm": []}
    later = int((1 - FIRST) * args.simulations / max(args.rounds - 1, 1))
    sizes = [args.simulations - later * (args.rounds - 1), *[later] * (args.rounds - 1)]
    used = time.process_time()
    data = references.observation(task, args.observations[0])
    once = learnt(task, data, [args.simulations], args)[-1].network
    print(f"{name}: npe {time.process_time() - used:.0f} s of processor", file=sys.stderr)
    for number in args.observations:
        used = time.process_time()
        data = references.observation(task, number)
        rounds = learnt(task, data, sizes, args)[-1].network
        print(f"{name}: infm {time.process_time() - used:.0f} s of processor", file=sys.stderr)
        for way, network in (("npe", once), ("infm", rounds)):
            found[way].append(judged(task, network, number, references, args.draws))
            told = f"{name}, observation {number}, {way}: C2ST {found[way][-1]:.3f}"
            print(told, file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Measure what was asked for, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wheel", type=Path, help="wheel of sbibm")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--observations", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--simulations", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--cut", type=float, default=1e-4)
    parser.add_argument("--draws", type=int, default=10_000, help="draws of each posterior")
    parser.add_argument("--network", default="spline_flow")
    parser.add_argument("--options", default="{}", help="options of the network, JSON")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--patience", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bank", type=Path, nargs="*", default=[], help="files bank.json")
    parser.add_argument("--learnt", type=Path, nargs="*", default=[], help="files learn.json")
    args = parser.parse_args()
    result: dict[str, float | None] = dict.fromkeys(KEYS)
    for name in args.tasks:
        for way, scores in measure(name, args).items():
            result[f"{name}_c2st_{way}"] = float(np.mean(scores))
    if args.bank:
        banks = [json.loads(path.read_text()) for path in args.bank]
        shares = [each["controller_seconds"] / each["worker_seconds"] for each in banks]
        result["prior_sampling_controller_share"] = max(shares)
    if args.learnt:
        facts = [json.loads(path.read_text()) for path in args.learnt]
        result["sbc_min_p"] = min(each["verdict"]["p-values"]["SBC"] for each in facts)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
