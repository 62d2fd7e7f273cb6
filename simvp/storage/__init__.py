"""Files, locks and checkpoints, written atomically."""
