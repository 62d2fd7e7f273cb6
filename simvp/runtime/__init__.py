"""Devices, process groups and the launcher."""
