"""Deepwave: propagators with C-PML as torch operations."""

from typing import Any

import deepwave
import torch
from case import Case

__all__ = ["Peer"]


class Peer:
    """Forward and gradient of a case; a gradient includes its forward."""

    def __init__(self, case: Case) -> None:
        torch.set_num_threads(case.threads)
        self.case = case
        self.model = torch.from_numpy(case.model()).float()
        # A volume source: Deepwave's amplitude enters with v^2 dt^2, as ours over h^3.
        scale = -1 / case.spacing**3
        self.amplitude = torch.from_numpy(scale * case.wavelet()).float()[None, None]
        self.source = torch.from_numpy(case.source())[None, None]
        self.receivers = torch.from_numpy(case.receivers())[None]

    def forward(self) -> Any:
        """Return the traces `(n_rec, nt)`."""
        with torch.no_grad():
            return self._traces(self.model).numpy()

    def gradient(self) -> Any:
        """Return d/dc of `sum(residual * traces)` `(n, n, n)`."""
        model = self.model.clone().requires_grad_()
        residual = torch.from_numpy(self.case.residual()).float()
        self._traces(model).backward(residual)
        return model.grad.numpy()

    def _traces(self, model: torch.Tensor) -> torch.Tensor:
        case = self.case
        result = deepwave.scalar(
            model,
            case.spacing,
            case.dt,
            source_amplitudes=self.amplitude,
            source_locations=self.source,
            receiver_locations=self.receivers,
            accuracy=8,
            pml_width=case.layer,
            pml_freq=case.peak,
            max_vel=case.fastest,
        )
        return result[-1][0]
