"""Atomic file writes, locks and checkpoints."""
