"""Training: losses, state and step are pure; the loop holds the side effects."""
