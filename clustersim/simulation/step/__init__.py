"""One training step: micro-batches through the stages, gradients, the optimizer."""
