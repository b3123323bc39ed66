"""Whether a published figure is believable."""
