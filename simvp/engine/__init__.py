"""Build, train and evaluate networks."""

from simvp.engine.cost import Cost, network_cost
from simvp.engine.evaluation import Evaluation, evaluate
from simvp.engine.network import build_network, count_parameters
from simvp.engine.trainer import Trainer

__all__ = [
    "Cost",
    "Evaluation",
    "Trainer",
    "build_network",
    "count_parameters",
    "evaluate",
    "network_cost",
]
