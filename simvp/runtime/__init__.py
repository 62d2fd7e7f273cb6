"""Devices, process groups, launcher and worker processes."""
