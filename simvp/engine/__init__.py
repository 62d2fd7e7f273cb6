"""The loop: build the network, fit it, evaluate it."""

from simvp.engine.evaluation import Evaluation, evaluate
from simvp.engine.network import build_network, count_parameters
from simvp.engine.trainer import Trainer

__all__ = ["Evaluation", "Trainer", "build_network", "count_parameters", "evaluate"]
