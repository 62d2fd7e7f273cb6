"""What one training step does to the network. B: batch; T: frames; C, H, W: a frame."""

import warnings
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import get_total_norm

from simvp.config import Config
from simvp.engine import losses
from simvp.engine.compilation import compile_blocks, uncompiled
from simvp.engine.optimizer import Optimizer
from simvp.models.simvp import SimVP
from simvp.runtime.devices import autocast
from simvp.runtime.group import Group


class Learner:
    """The network with its optimizer, on one device, in one precision.

    Nothing here synchronises with a GPU: losses stay on it until the caller reads them.

    Attributes:
        failed: whether a loss or gradient was not finite, a tensor on the device. On a CPU the
            weights are then those before that step; on other devices they may be spoiled.
    """

    def __init__(self, config: Config, network: SimVP, group: Group) -> None:
        self.network = network
        self.device = group.device
        self.num_inputs = config.data.pre_seq_length
        self.precision = config.train.precision
        self.loss = losses.load(config.train.loss)
        self.optimizer = Optimizer(config.train, network)
        # float16 has no room for small gradients unless they are scaled up.
        self.scaler = torch.amp.GradScaler(group.device.type, enabled=self.precision == "fp16")
        self.failed = torch.zeros((), dtype=torch.bool, device=group.device)
        self.batch_size = config.train.samples_per_step
        if config.train.compile:
            compile_blocks(network)
        self.parallel: nn.Module = network
        if group.world_size > 1:
            # All processes start from the same weights. DDP overlaps the exchange of gradients with
            # the backward pass. Buffers are broadcast when they are needed: before validation.
            # 1x1 weights: channels-last and contiguous strides coincide, so the warning is moot.
            warnings.filterwarnings("ignore", "Grad strides do not match", UserWarning)
            with warnings.catch_warnings():  # PyTorch 2.13 deprecates an option that 2.10 needs
                warnings.simplefilter("ignore", FutureWarning)
                parallel = DistributedDataParallel(
                    network, gradient_as_bucket_view=True, broadcast_buffers=False
                )
            self.parallel = parallel

    def step(self, frames: Tensor, *, lr_factor: float, beta1: float) -> Tensor:
        """One optimizer step on frames (B, T, C, H, W), inputs and truth.

        On a CPU the optimizer step is skipped if the loss or a gradient is not finite. With several
        processes all of them skip it, because they see the same averaged gradients.

        Returns: the loss before the step, the mean over all values, (), on the device.
        """
        inputs, true = frames[:, : self.num_inputs], frames[:, self.num_inputs :]
        usual = len(frames) == self.batch_size
        with autocast(self.device, self.precision), nullcontext() if usual else uncompiled():
            forecast = self.parallel(inputs, true.shape[1])
        loss = self.loss(forecast.float(), true)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        finite = self._is_finite(loss)
        self.failed |= ~finite
        # CPU execution is synchronous, so reading the flag costs nothing; on a GPU it would stall
        # every step, and the flag is read at the next log step instead.
        if self.device.type == "cpu" and not finite:
            return loss.detach()
        with autocast(self.device, self.precision):  # the weights and averages stay float32
            self.optimizer.step(self.scaler, lr_factor=lr_factor, beta1=beta1)
        return loss.detach()

    def _is_finite(self, loss: Tensor) -> Tensor:
        """Whether the loss and the gradients are finite, (), on the device."""
        finite = loss.isfinite()
        if not self.scaler.is_enabled():  # with it gradients may overflow: it lowers the scale
            gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
            finite = finite & get_total_norm(gradients).isfinite()
        return finite
