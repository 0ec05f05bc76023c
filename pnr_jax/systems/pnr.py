"""pNR: pose guided person image generation with hidden p-norm regression.

H ≈ P F is solved for F, the person without the pose, and P_t F is drawn (Fig. 1; the
networks are `pnr_jax.nn.pnr`). Unsupervised training hides half of the rows from the regression
(eq. 4) and has the source itself for its target.

The paper states N = 4 (2 unsupervised), d = 20, D = 256, λ1 = λ2 = 5, λ3 = λ4 = 10. Where it states
nothing, the value is PATN's, or a comment says whose. f_a and f_p pad their strided convolutions by
reflection, like the others of theirs; PATN's encoders pad those by zeros.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from pnr_jax.data.pipeline import Batch
from pnr_jax.nn.blocks import NORMS
from pnr_jax.nn.pnr import PNR
from pnr_jax.regression import IRLS, InexactIRLS, PrimalDual, Solver
from pnr_jax.settings import Rule, Settings
from pnr_jax.systems.adversarial import AdversarialSystem
from pnr_jax.systems.protocol import Parts, Sources, System
from pnr_jax.typing import Variables

SOLVERS: dict[str, Callable[..., Solver]] = {
    "irls": IRLS,
    "inexact_irls": InexactIRLS,
    "primal_dual": lambda iterations, eps: PrimalDual(max_iterations=iterations, eps=eps),
}


@dataclass(frozen=True)
class PNRSettings(Settings):
    """The regression and the networks around it."""

    path: ClassVar[str] = "model."
    p: float = 1.0  # 1 is LAD, 2 is LSE.
    rowwise: bool = False  # Takes the norm of rows of H - P F (L2,p), not of entries.
    solver: str = "irls"  # Eq. 3; or "inexact_irls", "primal_dual".
    iterations: int = 5  # T, our choice; for primal_dual the maximum (use 100).
    eps: float = 1e-6  # Lower bound of abs(r) in the weights, relative to H's typical entry.
    gradient: str = "last_step"  # The paper's; or "implicit", "unrolled".
    ridge: float = 0.0  # Relative to each column of P.
    d: int = 20
    width: int = 64  # D = 4·width
    blocks: int = 4  # N
    norm: str = "batch"
    dropout: float = 0.0
    sigma: float = 6.0  # Width of the heatmaps' Gaussians, pixels.
    up_kernel: int = 3
    keep_rows: float = 0.5  # p(v = 1) of eq. 4, unsupervised training.

    def rules(self) -> Iterator[Rule]:
        """Checks that the norm, the solver and the networks are possible."""
        yield from self.at_least(1, "iterations", "d", "width")
        yield from self.at_least(0, "blocks", "ridge")
        yield Rule("p", 1 <= self.p <= 2, "between 1 and 2")
        yield Rule("eps", self.eps > 0, "positive")
        yield Rule("sigma", self.sigma > 0, "positive")
        yield Rule("up_kernel", 1 <= self.up_kernel <= 4, "between 1 and 4")
        yield Rule("keep_rows", 0 < self.keep_rows <= 1, "in (0, 1]")
        yield from self.one_of(tuple(SOLVERS), "solver")
        yield Rule(
            "iterations",
            self.solver != "primal_dual" or self.iterations >= 20,
            "at least 20 with model.solver = primal_dual, which runs to the minimiser",
        )
        yield from self.one_of(("last_step", "implicit", "unrolled"), "gradient")
        yield Rule(
            "gradient",
            (self.solver, self.gradient) != ("primal_dual", "unrolled"),
            "last_step or implicit with model.solver = primal_dual",
        )
        yield from self.one_of(NORMS, "norm")
        yield from self.share("dropout")

    def norm_name(self) -> str:
        """Returns "LAD" (p = 1), "LSE" (p = 2) or "p = ...", "of rows", and a solver but eq. 3."""
        name = {1.0: "LAD", 2.0: "LSE"}.get(self.p, f"p = {self.p}")
        if self.p == 2:
            return name
        name = f"{name} of rows" if self.rowwise else name
        return name if self.solver == "irls" else f"{name}, {self.solver}"

    def network(self, image_size: tuple[int, int], dtype: DTypeLike) -> PNR:
        """Returns the networks with the regression between them."""
        settings = self.to_dict()
        del settings["keep_rows"]
        solver, iterations, eps = (settings.pop(name) for name in ("solver", "iterations", "eps"))
        return PNR(
            image_size=image_size,
            dtype=dtype,
            solver=SOLVERS[solver](iterations, eps=eps),
            **settings,
        )


class PNRSystem(AdversarialSystem):
    """The paper's method; `encode` is the regression, `render` draws P_t F."""

    Model = PNRSettings
    model: PNRSettings
    encodes = True
    mixes = True
    regions: tuple[int, int]

    def __init__(self, parts: Parts):
        """Builds the networks."""
        super().__init__(parts)
        self.network = self.model.network(parts.image_size, parts.dtype)
        self.sigma = self.model.sigma
        self.regions = (parts.image_size[0] // 4, parts.image_size[1] // 4)
        self.label = self.model.norm_name()
        self.title = f"pNR{'' if parts.supervised else '*'} ({self.label})"
        self.about = (
            f"`encode` solves H ≈ P F once for the person ({self.label}), `render` draws F "
            "in any number of poses. Method: *Pose Guided Person Image Generation with Hidden "
            "p-Norm Regression*."
        )
        self._parts = parts

    def init_variables(self, key: jax.Array) -> Variables:
        """Draws the variables of f_a, f_p and G."""
        keypoints = jnp.zeros((1, 18, 2), jnp.int32)
        images = jnp.zeros((1, 1, *self.image_size, 3), jnp.uint8)
        valid = jnp.ones((1, 1), bool)
        return dict(self.network.init(key, images, keypoints[:, None], valid, keypoints))

    def draw(
        self, variables: Variables, batch: Batch[jax.Array], rngs: dict[str, jax.Array]
    ) -> tuple[jax.Array, Variables]:
        """Draws P_t F, or unsupervised P_s F with rows hidden from the regression."""
        supervised = self._parts.supervised
        images, updates = self.network.apply(
            variables,
            batch["source_images"],
            batch["source_keypoints"],
            batch["source_valid"],
            batch["target_keypoints"] if supervised else None,
            row_weights=None if supervised else self._row_mask(batch, rngs["rows"]),
            train=True,
            rngs={"dropout": rngs["dropout"]},
            mutable=["batch_stats"],
        )
        return images, dict(updates)

    def encode(
        self, variables: Variables, sources: Sources, row_weights: jax.Array | None = None
    ) -> jax.Array:
        """Returns F, float32 [B, d, D], from the rows of weight above 0."""
        F = self.network.apply(variables, *sources, row_weights, method="encode")
        return jnp.asarray(F)

    def render(self, variables: Variables, code: jax.Array, keypoints: jax.Array) -> jax.Array:
        """Draws the people F [B, d, D] in poses: float32 [B, H, W, 3]."""
        return jnp.asarray(self.network.apply(variables, code, keypoints, method="render"))

    def counterpart(self) -> System:
        """Returns the same networks with p = 2, or with p = 1 if it is 2 already."""
        model = self.model.replace(p=1.0 if self.model.p == 2 else 2.0)
        return PNRSystem(self._parts._replace(model=model))

    def _row_mask(self, batch: Batch[jax.Array], key: jax.Array) -> jax.Array:
        """Draws v of eq. 4, [B, M·n]: which of the h·w rows of each source the regression sees."""
        B, M = batch["source_images"].shape[:2]
        n = math.prod(self.regions)
        return jax.random.bernoulli(key, self.model.keep_rows, (B, M * n)).astype(jnp.float32)
