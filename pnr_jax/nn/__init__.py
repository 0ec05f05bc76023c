"""The networks: Flax Linen modules, pure `init` and `apply`, arrays [B, H, W, channels]."""
