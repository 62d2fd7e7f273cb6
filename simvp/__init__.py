"""simvp: train a SimVP network to forecast 2-D simulations, from raw frames to pictures."""

__version__ = "0.1.0"
