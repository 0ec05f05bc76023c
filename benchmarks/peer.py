"""The model and its training step in plain PyTorch, for comparison.

It has the same layers, sizes, losses and optimiser as `pnr_jax`, written as a PyTorch user would
write them. The pool of past fakes is left out; its cost is negligible.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F_


def conv(inputs: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
    return [
        nn.ReflectionPad2d(size // 2),
        nn.Conv2d(inputs, outputs, size, stride, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


class Residual(nn.Module):
    def __init__(self, features: int):
        super().__init__()
        self.body = nn.Sequential(*conv(features, features, 3), *conv(features, features, 3)[:-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def trunk(inputs: int, width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(
        *conv(inputs, width, 7),
        *conv(width, 2 * width, 3, 2),
        *conv(2 * width, 4 * width, 3, 2),
        *[Residual(4 * width) for _ in range(blocks)],
    )


def up(inputs: int, outputs: int, size: int) -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(
            inputs, outputs, size, 2, padding=1, output_padding=size % 2, bias=False
        ),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


class Twin(nn.Module):
    """f_a, f_p, the regression and G for single sources, built from a configuration's `model`."""

    def __init__(self, model: Any):
        super().__init__()
        width, blocks = model.width, model.blocks
        self.p, self.iterations = model.p, model.iterations
        self.appearance = trunk(3, width, blocks)
        self.pose = nn.Sequential(trunk(18, width, blocks), nn.Conv2d(4 * width, model.d, 1))
        self.generator = nn.Sequential(
            *[Residual(4 * width) for _ in range(blocks)],
            *up(4 * width, 2 * width, model.up_kernel),
            *up(2 * width, width, model.up_kernel),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, 3, 7),
            nn.Tanh(),
        )

    def forward(self, image: Any, source_pose: Any, target_pose: Any) -> torch.Tensor:
        poses = self.pose(torch.cat([source_pose, target_pose])).flatten(2).mT
        P, P_t = poses.chunk(2)
        H = self.appearance(image)
        shape = H.shape
        F = regression(P, H.flatten(2).mT, self.p, self.iterations)
        return self.generator((P_t @ F).mT.reshape(shape))


def regression(P: Any, H: Any, p: float, iterations: int, eps: float = 1e-4) -> torch.Tensor:
    """Computes LSE, or LAD by IRLS with constant weights; all Gram matrices are one product."""
    d = P.shape[-1]
    ridge = 1e-6 * torch.eye(d, device=P.device)
    if p == 2:
        return torch.linalg.solve(P.mT @ P + ridge, P.mT @ H)
    with torch.no_grad():
        F = torch.linalg.solve(P.mT @ P + ridge, P.mT @ H)
        for _ in range(iterations - 1):
            F = weighted(P, H, 1 / (H - P @ F).abs().clamp(min=eps), ridge)
        W = 1 / (H - P @ F).abs().clamp(min=eps)
    return weighted(P, H, W, ridge)


def weighted(P: Any, H: Any, W: Any, ridge: Any) -> torch.Tensor:
    d = P.shape[-1]
    pairs = (P[..., :, None] * P[..., None, :]).flatten(-2).mT
    A = (pairs @ W).mT.unflatten(-1, (d, d)) + ridge * W.mean()
    b = (P.mT @ (W * H)).mT[..., None]
    return torch.cholesky_solve(b, torch.linalg.cholesky(A))[..., 0].mT


def training_step(config: Any, batch: dict[str, torch.Tensor]) -> Callable[[], float]:
    """Returns a function that runs one step of supervised training on a batch in memory."""
    model, width = Twin(config.model).train(), config.discriminator.width
    judges = nn.ModuleDict()
    for name, channels in (("image", 6), ("pose", 21)):
        if getattr(config.loss, f"gan_{name}"):
            judges[name] = trunk(channels, width, config.discriminator.blocks)
    betas = (config.adam_b1, config.adam_b2)
    optimizer = torch.optim.Adam(model.parameters(), config.learning_rate, betas)
    judge_optimizers = {
        name: torch.optim.Adam(judge.parameters(), config.learning_rate, betas)
        for name, judge in judges.items()
    }
    conditions = {"image": batch["source"], "pose": batch["target_pose"]}

    def verdict(name: str, image: torch.Tensor, real: bool) -> torch.Tensor:
        logits = judges[name](torch.cat([image, conditions[name]], 1))
        return F_.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))

    def step() -> float:
        generated = model(batch["source"], batch["source_pose"], batch["target_pose"])
        loss = config.loss.l1 * F_.l1_loss(generated, batch["target"])
        for name in judges:
            judges[name].requires_grad_(False)
            loss = loss + getattr(config.loss, f"gan_{name}") * verdict(name, generated, True)
            judges[name].requires_grad_(True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        fake = generated.detach()
        for name, judge_optimizer in judge_optimizers.items():
            judge_loss = 0.5 * (verdict(name, batch["target"], True) + verdict(name, fake, False))
            judge_optimizer.zero_grad()
            judge_loss.backward()
            judge_optimizer.step()
        return float(loss.detach())

    return step
