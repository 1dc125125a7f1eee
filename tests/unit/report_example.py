"""A made-up but realistic run: a layered model, a posterior around it, fake data.

Run it to look at a report: `python tests/unit/report_example.py /tmp/report`.
"""

import sys
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from pvi_hpc.answers.interrogation import Asked, summarise
from pvi_hpc.answers.questions.question import load_question
from pvi_hpc.answers.replacement.evidence import ranking
from pvi_hpc.config.project import ReportSettings
from pvi_hpc.config.questions import QuestionFile
from pvi_hpc.grid import Cells, Grid
from pvi_hpc.report.pages import write_site
from pvi_hpc.report.view import RunView
from pvi_hpc.store.posterior_file import PosteriorSummary
from pvi_hpc.store.predictive_file import Misfits, PredictedShot, Predictive

QUANTILES = {0.05: -1.645, 0.25: -0.674, 0.5: 0.0, 0.75: 0.674, 0.95: 1.645}


def layered_model(grid):
    """Folded layers with a fault and a channel [m/s], under 100 m of water."""
    z, y, x = np.meshgrid(*(grid.axis(i) for i in range(3)), indexing="ij")
    lx, ly = grid.upper[2] - grid.origin[2], grid.upper[1] - grid.origin[1]
    bend = 150 * np.sin(2 * np.pi * (x - grid.origin[2]) / lx) * np.cos(np.pi * y / ly)
    throw = 80 * (x - grid.origin[2] > 0.55 * lx + 0.2 * (y - grid.origin[1]))
    steps = np.floor((z + bend - throw) / 130)
    model = 1900 + 220 * steps + 150 * np.sin(steps * 2.1) + 0.4 * z
    channel = (np.abs(y - grid.origin[1] - 0.4 * ly) < 0.08 * ly) & (np.abs(z - 350) < 60)
    model = np.where(channel, model - 350, model)
    return np.where(z < 100, 1500.0, model).astype(np.float32)


def posterior(grid, *, seed=1, true_known=True, scale=1.0):
    """A posterior that is right near the surface and near the prior below."""
    rng = np.random.default_rng(seed)
    true = layered_model(grid)
    z = np.broadcast_to(grid.axis(0)[:, None, None], grid.shape)
    trend = np.broadcast_to((1600 + 1.9 * z), grid.shape)
    fixed = z < 100
    depth = (z - grid.origin[0]) / (grid.upper[0] - grid.origin[0])
    sd = np.where(fixed, 0, scale * (60 + 280 * depth**1.5))
    smooth = gaussian_filter(true - trend, 1 + 1.5 * 1, mode="nearest")
    weight = 1 - 0.6 * depth
    noise = gaussian_filter(rng.standard_normal(grid.shape), 1.0) * 5
    mean = np.where(fixed, true, trend + weight * smooth + 0.35 * sd * noise)
    prior_sd = np.where(fixed, 0, 450.0)
    start = np.where(fixed, true, trend)
    fields = {
        "mean": mean,
        "sd": sd,
        "prior_mean": np.where(fixed, true, trend + 30),
        "prior_sd": prior_sd,
        "prior_lower": np.where(fixed, 1400, trend - 780),
        "prior_upper": np.where(fixed, 1600, trend + 780),
        "start": start,
    }
    fields = {k: np.ascontiguousarray(v, dtype=np.float32) for k, v in fields.items()}
    quantiles = {q: (mean + n * sd).astype(np.float32) for q, n in QUANTILES.items()}
    return PosteriorSummary(
        grid, quantiles=quantiles, fixed=fixed, true=true if true_known else None, **fields
    )


def _positions(grid, depth, n):
    y, x = (
        np.linspace(grid.origin[i] + 90, grid.upper[i] - 90, max(k, 1))
        for i, k in ((1, n[0]), (2, n[1]))
    )
    yy, xx = np.meshgrid(y, x, indexing="ij")
    return np.column_stack([np.full(yy.size, depth), yy.ravel(), xx.ravel()])


def _gather(source, receivers, t, velocity, rng, perturb=0.0):
    offset = np.hypot(*(receivers[:, 1:] - source[1:]).T)[:, None]
    data = np.zeros((len(receivers), len(t)))
    for depth, amplitude in ((0, 1.0), (300, 0.35), (600, -0.3), (900, 0.25)):
        speed = velocity * (1 + perturb * depth / 600)
        arrival = np.sqrt(offset**2 + (2 * depth) ** 2) / speed + 0.24
        u = (np.pi * 6 * (t[None] - arrival)) ** 2
        data += amplitude / (0.3 + (offset + depth) / 1000) * (1 - 2 * u) * np.exp(-u)
    return (2.4e-5 * data).astype(np.float32)


def predictive(grid, sources, receivers, seed=3, n_draws=6):
    """Hyperbolic arrivals with noise, and models that differ a little in speed."""
    rng = np.random.default_rng(seed)
    dt, n_samples, noise = 0.004, 401, 3e-6
    t = np.arange(n_samples) * dt
    shots = []
    for i in (2, 12, 22):
        source = sources[i % len(sources)]
        clean = _gather(source, receivers, t, 2300, rng)
        observed = clean + noise * rng.standard_normal(clean.shape).astype(np.float32)
        draws = [
            _gather(source, receivers, t, 2300, rng, p) for p in rng.normal(0, 0.01, n_draws)
        ]
        shots.append(
            PredictedShot(
                id=i + 1,
                source=source,
                receivers=receivers,
                noise_sd=np.full(len(receivers), noise),
                observed=observed,
                start=_gather(source, receivers, t, 2150, rng, -0.05),
                mean=_gather(source, receivers, t, 2300, rng, 0.003),
                draws=np.stack(draws),
            )
        )
    n = len(sources)
    n_data = np.full(n, len(receivers) * n_samples)
    misfits = Misfits(
        ids=np.arange(1, n + 1),
        n_data=n_data,
        start=rng.uniform(3, 9, n),
        mean=rng.normal(1.01, 0.01, n),
        draws=rng.normal(1.03, 0.01, (n_draws, n)),
    )
    return Predictive(tuple(shots), misfits, dt)


def history(n_map=30, n=300, seed=5):
    """Traces of a MAP phase and a variational one."""
    rng = np.random.default_rng(seed)
    i = np.arange(n_map + n)
    chi = 1.0 + 6 * np.exp(-i / 25) + 0.01 * np.abs(rng.standard_normal(n_map + n))
    log_likelihood = -0.5 * 2.2e6 * chi
    log_prior = -40000 - 3000 * (1 - np.exp(-i / 60)) + 60 * rng.standard_normal(len(i))
    log_q = np.where(i < n_map, np.nan, -90000 + 14000 * (1 - np.exp(-(i - n_map) / 80)))
    log_q += 90 * rng.standard_normal(len(i))
    elbo = np.where(i < n_map, np.nan, log_likelihood + log_prior - log_q)
    return {
        "iteration": i,
        "elbo": elbo,
        "chi_squared": chi,
        "log_prior": log_prior,
        "log_q": log_q,
        "log_likelihood": log_likelihood,
        "seconds": np.full(len(i), 4.2),
        "n_simulations": np.full(len(i), 50),
        "phase": (i >= n_map).astype(int),
    }


FACTS = {
    "elbo": -1143210.4,
    "elbo_se": 31.2,
    "iterations": 330,
    "simulations": {"done": 17000, "failed": 3, "retried": 3, "seconds": 34000.0},
    "wall_seconds": 5025.0,
    "core_hours": 18.9,
    "host": "node01",
    "host_cores": 2,
    "seed": 7,
    "git_hash": "0123abc",
    "versions": {"pvi_hpc": "0.1.0", "python": "3.11.2", "torch": "2.5.1"},
}


def answers(seed=4):
    """A volume with a skewed posterior, and a depth that some draws do not have."""
    rng = np.random.default_rng(seed)
    grid = Grid((8, 8, 8), (60.0, 60.0, 60.0))
    questions = [
        {"name": "slow_body", "kind": "connected_volume", "below_m_s": 2300},
        {"name": "top_of_salt", "kind": "interface_depth", "above_m_s": 2300},
    ]
    found = {}
    for settings in QuestionFile.model_validate({"questions": questions}).questions:
        asked = Asked(load_question(settings, Cells.of(grid)), settings.utility)
        size = 1e8 if settings.name == "slow_body" else 100.0
        values = {
            variant: size * (1 + by * 0.1 + rng.gamma(4, 0.3, 200))
            for variant, by in (("asked", 0), ("lower", -1), ("higher", 1))
        }
        values["asked"][:7] = np.nan if settings.name == "top_of_salt" else size
        found[settings.name] = summarise(asked, values, size * rng.gamma(4, 1, 200))
        found[settings.name] |= {"of_the_mean_model": 1.9 * size, "true": 2.1 * size}
    return found


def hypotheses():
    """Return a hypothesis that the data favour, and one that was refused."""
    told = {"log_ratio": 3.25, "standard_error": 0.125, "kind": "weights"}
    answer = {"unit": "m3", "mean": 1.5e8, "sd": 2e7}
    favoured = {
        "evidence": told,
        "implied_log_likelihood": 80.0,
        "information": 76.75,
        "answers": {"slow_body": answer},
    }
    refused = {"refused": "the old posterior has no mass where the new one lives"}
    return {
        "hypotheses": {"long_waves": favoured, "far_off": refused},
        "ranking": ranking({"own": (0.0, 0.0), "long_waves": (3.25, 0.125)}),
    }


def example_view(
    grid=None, *, run="psvi", true_known=True, settings=None, n_receivers=(15, 15), seed=1
):
    """Return a view of a run that never ran."""
    grid = grid or Grid((25, 45, 45), (60.0, 60.0, 60.0))
    sources = _positions(grid, 90.0, (5, 5))
    receivers = _positions(grid, 30.0, n_receivers)
    summary = posterior(
        grid, seed=seed, true_known=true_known, scale=1.0 if run == "psvi" else 0.6
    )
    rng = np.random.default_rng(seed + 10)
    samples = [
        summary.mean + 2.0 * summary.sd * gaussian_filter(rng.standard_normal(grid.shape), 0.8)
        for _ in range(3)
    ]
    return RunView(
        project="example",
        run=run,
        summary=summary,
        sources=sources,
        receivers=receivers,
        samples=np.asarray(samples, dtype=np.float32),
        predictive=predictive(grid, sources, receivers),
        history=history(),
        facts=FACTS,
        answers=answers(),
        hypotheses=hypotheses(),
        config="name: psvi\nseed: 7\n",
        settings=settings or ReportSettings(),
    )


def main(folder):
    """Write three sites: a usual one, a flat one with many receivers, and a bare one."""
    usual = example_view()
    other = example_view(run="mean_field", seed=2)
    write_site([usual, other], f"{folder}/usual")
    grid = Grid((20, 30, 90), (25.0, 50.0, 50.0), (0.0, 5000.0, -1000.0))
    settings = ReportSettings(depth_m=310, y_m=5400, wells_y_x_m=((5500, 0), (6000, 2500)))
    flat = example_view(grid, run="flat", settings=settings, n_receivers=(25, 60))
    write_site([flat], f"{folder}/flat")
    bare = example_view(Grid((60, 40, 20), (20.0, 20.0, 20.0)), run="bare", true_known=False)
    nothing = bare.samples[:0]
    bare = replace(
        bare, predictive=None, history={}, facts={}, answers={}, hypotheses={}, samples=nothing
    )
    write_site([bare], f"{folder}/bare")


if __name__ == "__main__":
    main(sys.argv[1])
