"""What one training step does to the network.

B: batch; T: frames; C: channels, of which the first ones are forecast; H, W: height and width.
"""

import warnings
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import get_total_norm

from simvp.config import Config
from simvp.engine import losses
from simvp.engine.compilation import compile_blocks, compiled, uncompiled
from simvp.engine.optimizer import Optimizer
from simvp.models.simvp import Network
from simvp.runtime.devices import autocast
from simvp.runtime.group import Group


def with_noise(inputs: Tensor, sizes: Tensor) -> Tensor:
    """Frames (B, T, C, H, W) with normal noise in the channels that are forecast.

    Args:
        sizes: standard deviations of these channels, (C',).
    """
    noise = sizes.reshape(-1, 1, 1) * torch.randn_like(inputs[:, :, : sizes.numel()])
    return inputs + pad(noise, (0, 0, 0, 0, 0, inputs.shape[2] - sizes.numel()))


class Learner:
    """The network with its optimizer, on one device, in one precision.

    Nothing here synchronises with a GPU: losses stay on it until the caller reads them.

    Once a loss or a gradient is not finite, every later optimizer step is skipped, on the device:
    the weights and the optimizer's state stay those of the step before. (BatchNorm's running
    statistics do not.) The caller reads `failed` when it reads the losses, and aborts. A gradient
    norm beyond the range of float32 counts as not finite.

    The check takes 1.1 ms of a training step of 310 ms, and the optimizers take 1.5 ms longer for
    it: 0.8 % in all (the default network in bf16, 2 samples of 64x64, one core of a Xeon with AMX,
    alternating with and without it; in fp32 0.6 %).

    Attributes:
        failed: whether a loss or a gradient was not finite, a tensor on the device.
    """

    def __init__(self, config: Config, network: Network, group: Group) -> None:
        self.network = network
        self.device = group.device
        self.precision = config.train.precision
        self.loss = losses.load(config.train.loss)
        self.optimizer = Optimizer(config.train, network)
        # float16 has no room for small gradients unless they are scaled up.
        self.scaler = torch.amp.GradScaler(group.device.type, enabled=self.precision == "fp16")
        self.failed = torch.zeros((), dtype=torch.bool, device=group.device)
        self.batch_size = config.train.samples_per_step
        assert isinstance(config.train.input_noise, float)
        self.input_noise = config.train.input_noise
        self.parallel: nn.Module = network
        if config.train.compile and group.world_size == 1:
            self.parallel = compiled(network, group.device)
        if config.train.compile and group.world_size > 1:
            compile_blocks(network)
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

    def step(
        self, frames: Tensor, *, lr_factor: float, beta1: float, num_steps: int | None = None
    ) -> Tensor:
        """One optimizer step on frames (B, T, C, H, W), inputs and truth.

        Args:
            num_steps: number of frames to forecast; by default, all that follow the inputs.
        Returns: the loss before the step, the mean over all values, (), on the device.
        """
        history, forecast_channels = self.network.history, self.network.num_forecast
        inputs = frames[:, :history]
        if self.input_noise:
            inputs = with_noise(inputs, self.input_noise * self.network.increment_scale)
        true = frames[:, history:, :forecast_channels][:, :num_steps]
        usual = len(frames) == self.batch_size
        with autocast(self.device, self.precision), nullcontext() if usual else uncompiled():
            forecast = self.parallel(inputs, true.shape[1])
        loss = self._loss(forecast.float(), true)
        self.failed |= ~loss.isfinite()
        # A loss of one process that is not finite makes the gradients NaN, and with them the
        # average over all processes, so that all of them skip the step.
        seed = torch.where(self.failed, torch.nan, torch.ones_like(loss))
        self.scaler.scale(loss).backward(seed)  # type: ignore[no-untyped-call]
        if not self.scaler.is_enabled():  # GradScaler checks the gradients and lowers its scale
            gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
            self.failed |= ~get_total_norm(gradients).isfinite()
        with autocast(self.device, self.precision):  # the weights and averages stay float32
            self.optimizer.step(self.scaler, lr_factor=lr_factor, beta1=beta1, skip=self.failed)
        return loss.detach()

    def _loss(self, forecast: Tensor, true: Tensor) -> Tensor:
        """The mean of the loss over the values that are known, ()."""
        if not self.network.takes_mask:
            return self.loss(forecast, true)
        valid = true.isfinite()
        # Where the truth is missing, the error and its gradient are 0 for every loss.
        loss = self.loss(forecast, torch.where(valid, true, forecast.detach()))
        return loss * (valid.numel() / valid.sum().clamp(min=1))
