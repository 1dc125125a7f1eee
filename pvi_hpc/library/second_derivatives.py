"""Refuses second derivatives by autograd where a function of the user's hides them."""

from typing import Final

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction

from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.log_prob_target import LogProb
from pvi_hpc.inference.starts.given_curvature import hessian_products

__all__ = ["check_second_derivatives"]

#: Length of a difference of gradients, relative to that of the point and at least this.
DIFFERENCE: Final = 1e-5
#: Largest relative error of a product that is taken for right.
TOLERANCE: Final = 0.02


def check_second_derivatives(log_prob: LogProb, theta: Tensor) -> None:
    """Check a product with the Hessian at `theta` `(n,)` against a difference of gradients.

    Only where a `torch.autograd.Function` of the user's is in the graph: its `backward` is
    differentiated too, and where that computes outside of torch autograd takes the gradient for
    a constant and finds no curvature.

    Raises
    ------
    ConfigError
        If they differ, or the function cannot be differentiated twice.
    """
    leaf = theta.detach()[None].clone().requires_grad_()
    found = log_prob(leaf)
    if not (isinstance(found, Tensor) and found.requires_grad and _has_custom(found.grad_fn)):
        return
    direction = torch.where(torch.arange(len(theta)) % 2 == 0, 1.0, -0.5).double()
    h = DIFFERENCE * max(1.0, float(theta.abs().max()))
    points = torch.stack([theta + h * direction, theta - h * direction]).requires_grad_()
    (gradients,) = torch.autograd.grad(log_prob(points).sum(), points)
    measured = (gradients[1] - gradients[0]) / (2 * h)
    try:
        product = hessian_products(log_prob)(theta, direction[None])[0]
        error = float((product - measured).norm()) / max(float(measured.norm()), 1e-300)
    except RuntimeError:  # of `once_differentiable`
        error = torch.inf
    if not error <= TOLERANCE:
        raise ConfigError(
            "'hvp' must not be \"autograd\" for this 'log_prob': it has a gradient of its own "
            "(a torch.autograd.Function, as 'numpy_log_prob' makes), whose derivative autograd "
            "does not know; leave 'hvp' out, or give a function."
        )


def _has_custom(node: object) -> bool:
    """Return whether a graph has a node that is written in Python."""
    seen, stack = set(), [node]
    while stack:
        now = stack.pop()
        if now is None or now in seen:
            continue
        seen.add(now)
        if isinstance(now, BackwardCFunction):
            return True
        stack += [following for following, _ in getattr(now, "next_functions", ())]
    return False
