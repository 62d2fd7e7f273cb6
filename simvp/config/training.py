"""Definition of the settings of the network, its training and its scores; see `sections`."""

from typing import Annotated, Literal

from pydantic import Field

from simvp.config import values
from simvp.config.section import Section
from simvp.models.simvp import model_types
from simvp.physics import parse_boundary, parse_symmetries


class ModelSection(Section):
    model_type: Annotated[str, values.one_of(lambda: ["auto", *model_types()])] = Field(
        "auto",
        description="network: unet, or SimVP with one of these translators: "
        f"{', '.join(name for name in model_types() if name != 'unet')}; auto: unet, for given "
        "weights of SimVP gsta",
    )
    hid_S: values.Even = Field(
        16,
        ge=2,
        description="channels of SimVP's encoder and decoder, or of the finest level of the U-Net; "
        "even",
    )
    hid_T: values.AutoSize = Field(
        "auto",
        description="hidden channels of the translator, or most channels of a level of the U-Net; "
        "auto: 64 or 128",
    )
    N_S: values.AutoLayers = Field(
        "auto",
        description="layers of encoder and decoder, even; every second halves the grid; auto: 2, "
        "for the U-Net 6",
    )
    N_T: values.AutoSize = Field(
        "auto",
        description="number of translator blocks, or of blocks of each level of the U-Net on each "
        "way, at least 2; auto: 8, with the stepwise recipe or for the U-Net 2",
    )
    mlp_ratio: values.AutoRatio = Field(
        "auto",
        description="ratio of MLP width to channels in each block; auto: 8, for the U-Net 4",
    )
    drop: float = Field(0.0, ge=0, lt=1, description="dropout probability in the MLPs")
    drop_path: float = Field(0.0, ge=0, lt=1, description="stochastic depth rate of the last block")
    drop_path_first: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="stochastic depth rate of the first block, linear in between; 0.01: as "
        "published",
    )
    spatio_kernel_enc: values.AutoKernel = Field(
        "auto", description="kernel size of the encoder; odd; auto: 3, for the U-Net 7"
    )
    spatio_kernel_dec: values.AutoKernel = Field(
        "auto", description="kernel size of the decoder; odd; auto: 3, for the U-Net 7"
    )
    boundary: Annotated[str, values.auto_or(parse_boundary)] = Field(
        "auto",
        description="boundary condition: zeros (as published), periodic, reflect, replicate, or "
        "two of them as y,x; auto: as in the data card, otherwise zeros",
    )
    standardize: values.AutoSwitch = Field(
        "auto",
        description="whether the network standardises its input with the mean and standard "
        "deviation of the training part; false: as published; auto: true for new weights, for "
        "others as they were trained",
    )
    history: values.AutoCount = Field(
        "auto",
        description="input frames that the network uses, the last ones of data.pre_seq_length; "
        "auto: as train.recipe",
    )
    block_frames: values.AutoCount = Field(
        "auto",
        description="frames that a pass of the network forecasts, at most model.history; they are "
        "fed back for more; auto: as train.recipe",
    )
    target: Literal["auto", "frames", "increments"] = Field(
        "auto",
        description="what a pass forecasts: frames, or increments from frame to frame in units of "
        "their standard deviation; auto: as train.recipe, for given weights as they were trained",
    )

    @property
    def is_standardizing(self) -> bool:
        """Whether the network standardises its input, after "auto" has been resolved."""
        assert isinstance(self.standardize, bool)
        return self.standardize


class TrainSection(Section):
    recipe: Literal["direct", "stepwise", "auto"] = Field(
        "auto",
        description="direct: a pass of the network forecasts as many frames as there are input "
        "frames, as published; stepwise: a pass forecasts 2 frames, which are fed back; auto: the "
        "better one in short trials, or that of given weights",
    )
    epochs: int = Field(80, ge=1, description="number of passes over the training samples")
    minutes: float = Field(
        0.0,
        ge=0,
        description="time for a new run, in minutes, instead of train.epochs; 0: none",
    )
    batch_size: values.AutoCount = Field(
        "auto",
        description="samples per step and process; auto: from 2 to 16, so that training takes at "
        "least 3000 steps",
    )
    windows_per_epoch: int = Field(
        0, ge=0, description="training windows that an epoch visits, at random; 0: all"
    )
    val_interval: values.AutoCount = Field(
        "auto",
        description="epochs from one validation to the next; the first and the last two are always "
        "validated; auto: as few as keep validation at 10 % of the cost",
    )
    val_batch_size: int = Field(8, ge=1, description="batch size in validation and test")
    augment: Annotated[str, values.auto_or(parse_symmetries)] = Field(
        "auto",
        description="random symmetry transformations: none or a list of roll,flip_x,flip_y,rot90; "
        "auto: as in the data card, otherwise none",
    )
    init_from: str = Field(
        "", description="file of initial weights, from simvp or OpenSTL; empty: random weights"
    )
    rollout: values.AutoCount = Field(
        "auto",
        description="passes of the network, each fed with the one before, that are trained "
        "together; auto: as train.recipe",
    )
    rollout_share: values.AutoShare = Field(
        "auto",
        description="share of the steps, the last ones, that train train.rollout passes; those "
        "before train one; auto: as train.recipe",
    )
    input_noise: values.AutoNoise = Field(
        "auto",
        description="standard deviation of noise that training adds to the input frames, in units "
        "of the root mean square of the increments; auto: 0.3 with the stepwise recipe and "
        "increments, otherwise none",
    )
    loss: str = Field(
        "mse",
        description="training loss: mse, mae or huber (quadratic up to errors of 0.1); the "
        "model that is kept is chosen by validation mse with any of them",
    )
    optimizer: Literal["muon", "adam"] = Field(
        "muon", description="muon: Muon for matrices, Adam for other weights; adam: as published"
    )
    lr: values.AutoRate = Field(
        "auto",
        description="peak learning rate of Adam, one-cycle schedule; auto: with Muon 0.01 for the "
        "U-Net and 0.006 for SimVP with the stepwise recipe; otherwise 0.001, as published",
    )
    muon_lr: float = Field(1e-2, gt=0, description="peak learning rate of Muon")
    final_div_factor: float = Field(1e4, ge=1, description="final learning rate = initial / this")
    precision: values.Precision = Field(
        "auto", description="fp32, bf16, fp16; auto: bf16 if the hardware supports it, else fp32"
    )
    compile: values.AutoSwitch = Field(
        "auto", description="whether to compile the network; auto: on GPUs for long runs"
    )
    recompute_statistics: bool = Field(
        True, description="recompute BatchNorm statistics before validation; false: as published"
    )
    checkpoint_interval: int = Field(5, ge=1, description="epochs between checkpoints")
    checkpoint_every_minutes: float = Field(
        15.0, ge=0, description="minutes between checkpoints within an epoch; 0: none"
    )
    seed: values.Seed = Field(0, description="random seed of weights, sample order and dropout")
    members: int = Field(
        1,
        ge=1,
        description="number of networks to train, one after another, with the seeds train.seed, "
        "train.seed + 1, ...; their mean is the forecast",
    )

    @property
    def samples_per_step(self) -> int:
        """The batch size, after "auto" has been resolved."""
        assert isinstance(self.batch_size, int)
        return self.batch_size

    @property
    def peak_lr(self) -> float:
        """The learning rate of Adam, after "auto" has been resolved."""
        assert isinstance(self.lr, float)
        return self.lr


class MetricsSection(Section):
    precision: values.Precision = Field(
        "fp32", description="precision of forecasts in validation and test, as train.precision"
    )
    ssim_data_range: Literal["unit", "frame"] = Field(
        "unit", description="data range of SSIM: unit: 1.0; frame: range of each true frame"
    )
