"""The networks: Flax Linen modules, pure `init` and `apply`, arrays of shape [B, H, W, channels]."""
