"""Pictures of forecasts: arrays in, images out."""
