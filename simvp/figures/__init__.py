"""Figures of forecasts."""
