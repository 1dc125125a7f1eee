"""Learning the posterior of a run: one network for any data, or rounds for the observed."""

from pathlib import Path

from pvi_hpc.config import Run
from pvi_hpc.config.amortised import AmortisedSettings
from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.lease import Lease
from pvi_hpc.inference.amortised.learning import TrainingPairs, learn
from pvi_hpc.inference.amortised.rounds.rounds import Recipe, Round, learn_rounds
from pvi_hpc.inference.amortised.unknowns import Unknowns
from pvi_hpc.priors.load import load_prior
from pvi_hpc.run.amortised.bank import Bank, recipe_of
from pvi_hpc.run.amortised.kept import Progress
from pvi_hpc.run.amortised.lesson import Learnt, Lesson, conclude, noise_sd_of, observed
from pvi_hpc.run.amortised.rounds import BankRounds
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.store.layout import RunPaths

__all__ = ["learn_run"]


def learn_run(
    run: Run,
    survey: Path,
    paths: RunPaths,
    settings: AmortisedSettings,
    stop: StopFlag,
    progress: Progress | None = None,
) -> Learnt | None:
    """Train on the bank of a run, judge, and write; return None where something asked to stop.

    With `amortised.rounds` the workers of the run simulate the draws of each round after the
    first. The folder `network` of the run gets `network.h5`, `learn.json`, `posterior.npz`
    (mean, sd and quantiles for the observed data) and two figures. A call after a stop or a
    kill goes on at the last checkpoint or chunk, and ends in the same bits.

    Raises
    ------
    ConfigError
        If the bank is not whole, the network impossible, or rounds were begun with other
        settings.
    CheckpointError
        If the folder is of other settings.
    SimulationError
        If a round has no workers, or a chunk fails on every node.
    """
    if run.likelihood.lasting():
        raise ConfigError(
            "'likelihood' must have its defaults where a posterior is learnt, because the "
            "training pairs have white noise of the given sd, got "
            f"{run.likelihood.lasting()}; remove it."
        )
    bank = Bank(recipe_of(run, survey, paths.bank, settings.draws, settings.draws_per_chunk))
    unknowns = load_prior(run.prior, run.cells)
    with Lease(paths.network / "lease.json"):
        source = BankRounds(bank, survey, paths, settings, stop, progress or Progress())
        way = _once if settings.rounds is None else _in_rounds
        lesson = way(source, unknowns)
        if lesson is None:
            return None
        return conclude(lesson, run, survey, paths.network, settings)


def _once(source: BankRounds, unknowns: Unknowns) -> Lesson | None:
    """Train one network for any data."""
    settings, pairs = source.settings, source.first.pairs()
    noise_sd = noise_sd_of(source.survey)
    whole = TrainingPairs(pairs.theta, pairs.data, noise_sd)
    taught = len(pairs.theta) - settings.held_out
    keep = source.keep(0)
    found = learn(
        whole.rows(slice(0, taught)),
        settings.network,
        settings.training,
        components=settings.components,
        unknowns=unknowns,
        keep=keep,
    )
    if found is None:
        return None
    held = whole.rows(slice(taught, None))
    return Lesson(*found, held, settings.draws, pairs.failed, keep.seconds)


def _in_rounds(source: BankRounds, unknowns: Unknowns) -> Lesson | None:
    """Train a network in each round, for the observed data."""
    settings, data = source.settings, observed(source.survey)
    if not len(data):
        raise ConfigError(
            "'amortised.rounds' must be null where there are no observed data, got a section: "
            "rounds are made for the data of the survey; remove it to learn for any data."
        )
    assert settings.rounds is not None
    recipe = Recipe(
        source.first.recipe.model_map().n,
        settings.network,
        settings.training,
        settings.rounds,
        settings.held_out,
        settings.components,
        unknowns,
    )

    def told(done: Round) -> None:
        source.progress.say(done.account.sentence)

    rounds = learn_rounds(source, data, recipe, told)
    if rounds is None:
        return None
    last, seconds = rounds[-1], sum(kept.seconds for kept in source.kept)
    its = last.network, last.states, last.held
    return Lesson(*its, source.draws, source.failed, seconds, rounds)
