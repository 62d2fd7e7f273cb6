"""What one training step does to the network. B: batch; T: frames; C, H, W: a frame."""

import warnings
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import get_total_norm

from simvp.config import Config
from simvp.engine.compilation import compile_blocks, uncompiled
from simvp.engine.exchange import shared_gradients
from simvp.engine.optimizer import Optimizer
from simvp.models.simvp import SimVP
from simvp.runtime.devices import autocast
from simvp.runtime.group import Group


class Learner:
    """The network with its optimizer, on one device, in one precision.

    Nothing here waits for the device: losses stay on it until somebody looks.

    Attributes:
        failed: whether a loss or gradient was not finite, a tensor on the device. From then on
            the weights are worthless.
    """

    def __init__(self, config: Config, network: SimVP, group: Group) -> None:
        self.network = network
        self.device = group.device
        self.num_inputs = config.data.pre_seq_length
        self.precision = config.train.precision
        self.optimizer = Optimizer(config.train, network)
        # float16 has no room for small gradients unless they are scaled up.
        self.scaler = torch.amp.GradScaler(group.device.type, enabled=self.precision == "fp16")
        self.failed = torch.zeros((), dtype=torch.bool, device=group.device)
        self.batch_size = config.train.samples_per_step
        if config.train.compile:
            compile_blocks(network)
        self.parallel: nn.Module = network
        if group.world_size > 1:
            # All processes start from the same weights; this overlaps the exchange of gradients
            # with the backward pass. Buffers are shared when they are used: before validation.
            # Of 1x1 weights, where two orders in memory are one.
            warnings.filterwarnings("ignore", "Grad strides do not match", UserWarning)
            with warnings.catch_warnings():  # what PyTorch 2.13 would have instead is new in it
                warnings.simplefilter("ignore", FutureWarning)
                parallel = DistributedDataParallel(
                    network, gradient_as_bucket_view=True, broadcast_buffers=False
                )
            count = sum(p.numel() for p in network.parameters() if p.requires_grad)
            if exchange := shared_gradients(group, count):
                parallel.register_comm_hook(None, exchange.mean)
            self.parallel = parallel

    def step(self, frames: Tensor, *, lr_factor: float, beta1: float) -> Tensor:
        """One optimizer step on frames (B, T, C, H, W), inputs and truth.

        Returns: the mean squared error per value before the step, (), on the device.
        """
        inputs, true = frames[:, : self.num_inputs], frames[:, self.num_inputs :]
        usual = len(frames) == self.batch_size
        with autocast(self.device, self.precision), nullcontext() if usual else uncompiled():
            forecast = self.parallel(inputs, true.shape[1])
        loss = nn.functional.mse_loss(forecast.float(), true)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._watch(loss)
        with autocast(self.device, self.precision):  # the weights and averages stay float32
            self.optimizer.step(self.scaler, lr_factor=lr_factor, beta1=beta1)
        return loss.detach()

    def _watch(self, loss: Tensor) -> None:
        finite = loss.isfinite()
        if not self.scaler.is_enabled():  # else gradients may overflow, and it lowers the scale
            gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
            finite = finite & get_total_norm(gradients).isfinite()
        self.failed |= ~finite
