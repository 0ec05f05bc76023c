"""The four losses of eq. 6 and the discriminators' (eq. 5)."""

import jax
import jax.numpy as jnp
import optax

from pnr_jax.nn.vgg19 import VGG19, conv1_2


def l1(generated: jax.Array, target: jax.Array) -> jax.Array:
    """Returns L_L1: mean |I_t - I_g| over images float [B, H, W, 3] in [-1, 1]."""
    return jnp.mean(jnp.abs(generated - target))


def perceptual(vgg: VGG19, generated: jax.Array, target: jax.Array) -> jax.Array:
    """Returns L_per: mean |Φ_ρ(I_t) - Φ_ρ(I_g)|, ρ = conv1_2 of VGG19."""
    # Not as one batch: the target's features need no backward pass.
    return jnp.mean(jnp.abs(conv1_2(vgg, generated) - conv1_2(vgg, target)))


def adversarial(logits: jax.Array, real: bool) -> jax.Array:
    """Returns the cross-entropy of D = sigmoid(logits) against 1 (`real`) or 0, over the map.

    With `real` it is the generator's loss in PATN's non-saturating form, -log D(I_g), where eq. 5
    has the same optimum but no gradient while the discriminator wins.
    """
    labels = jnp.full_like(logits, float(real))
    return jnp.mean(optax.losses.sigmoid_binary_cross_entropy(logits, labels))


def discriminator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Returns -E[log D(real)] - E[log(1 - D(fake))], halved as in PATN (eq. 5)."""
    return 0.5 * (adversarial(real_logits, True) + adversarial(fake_logits, False))
