"""Every setting there is: its section, type, bounds, unit and default, each in this one place.

`run` and `launch` say where and how a command runs, the other sections what it computes.
The options of the command line take their help and default from here.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from simvp import simulators
from simvp.config import values
from simvp.models.simvp import translators


class Section(BaseModel):
    """A frozen table of settings: unknown keys, wrong types, NaN and infinities are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=()
    )


Seed = Annotated[int, Field(ge=0, lt=2**63)]


class RunSection(Section):
    name: Annotated[str, AfterValidator(values.folder_name)] = Field(
        "default", description="name of the run, a folder under work_dir"
    )
    work_dir: str = Field("work_dirs", description="folder that holds the runs", min_length=1)
    device: Annotated[str, AfterValidator(values.device_name)] = Field(
        "auto",
        description="device: auto (a GPU if there is one), cpu, cuda, cuda:N or mps",
    )


class LaunchSection(Section):
    nproc: int = Field(1, ge=1, description="processes on this machine, such as one per GPU")
    nnodes: int = Field(1, ge=1, description="number of machines")
    node_rank: int = Field(0, ge=0, description="index of this machine, from 0")
    max_restarts: int = Field(0, ge=0, description="automatic restarts after a process dies")
    timeout_minutes: float = Field(
        10.0, gt=0, description="minutes that a process waits for the others before it aborts"
    )
    rdzv_endpoint: str = Field(
        "", description="rendezvous address, host:port of machine 0; required if nnodes > 1"
    )

    @model_validator(mode="after")
    def _machines_can_meet(self) -> Self:
        if self.node_rank >= self.nnodes:
            raise ValueError(
                f"node_rank = {self.node_rank} but nnodes = {self.nnodes}: "
                "the machines are numbered from 0 to nnodes - 1"
            )
        if self.nnodes > 1 and not self.rdzv_endpoint:
            raise ValueError(
                f"nnodes = {self.nnodes} needs rdzv_endpoint, the host:port of machine 0"
            )
        return self


class DataSection(Section):
    path: str = Field("boiling_data", min_length=1, description="folder that holds the samples")
    split: str = Field("", description="split file; empty: the newest one in data.path")
    pre_seq_length: int = Field(10, ge=1, description="frames that the network is given")
    aft_seq_length: int = Field(10, ge=1, description="frames that it forecasts")


class SimulateSection(Section):
    system: Annotated[str, AfterValidator(values.system_name)] = Field(
        "boiling", description=f"what to simulate: {', '.join(simulators.names())}"
    )
    samples: int = Field(100, ge=1, description="simulations to make")
    frames: int = Field(20, ge=1, description="frames of each, the initial one included")
    image_size: int = Field(64, ge=7, description="height and width of the grid, cells")
    parameters: dict[str, float] = Field(
        {}, description="parameters of the system; `simvp simulate --help` lists them"
    )
    seed: Seed = Field(0, description="sample k is drawn from (seed, k)")

    @field_validator("parameters")
    @classmethod
    def _system_has_them(cls, value: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        # Loading a simulator imports numpy, which the command line avoids where it can.
        if value and "system" in info.data:
            values.check_parameters(info.data["system"], value)
        return value


class SplitSection(Section):
    train_ratio: float = Field(0.7, gt=0, lt=1, description="share of the samples to train on")
    val_ratio: float = Field(0.15, gt=0, lt=1, description="share to choose the best model by")
    total_length: int = Field(0, ge=0, description="frames to use of each sample; 0: all")
    samples: int = Field(0, ge=0, description="samples to use, drawn at random; 0: all")
    start_index: int = Field(0, ge=-1, description="first frame to use; -1: at random")
    init_final_only: bool = Field(
        False, description="use only the first and the last of these frames"
    )
    reverse: bool = Field(False, description="use the frames in reverse order")
    seed: Seed = Field(0, description="random seed of the split")

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.train_ratio + self.val_ratio > 1 + 1e-9:
            raise ValueError(
                f"train_ratio + val_ratio = {self.train_ratio + self.val_ratio:g}: "
                "together they may be 1 at most; what is left over is the test split"
            )
        return self


class ModelSection(Section):
    model_type: Annotated[str, AfterValidator(values.translator_name)] = Field(
        "gsta", description=f"block of the translator: {', '.join(translators.names())}"
    )
    hid_S: Annotated[int, AfterValidator(values.even)] = Field(
        16, ge=2, description="features of a frame in encoder and decoder; even"
    )
    hid_T: int = Field(64, ge=2, description="channels in the middle of the translator")
    N_S: Annotated[int, AfterValidator(values.even)] = Field(
        2, ge=2, le=16, description="layers of encoder and decoder; every second halves the grid"
    )
    N_T: int = Field(8, ge=2, description="blocks of the translator")
    mlp_ratio: float = Field(8.0, gt=1, description="width of a block's MLP over its channels")
    drop: float = Field(0.0, ge=0, lt=1, description="dropout probability in the MLPs")
    drop_path: float = Field(0.0, ge=0, lt=1, description="stochastic depth of the last block")
    spatio_kernel_enc: Annotated[int, AfterValidator(values.odd)] = Field(
        3, ge=1, description="kernel size of the encoder; odd"
    )
    spatio_kernel_dec: Annotated[int, AfterValidator(values.odd)] = Field(
        3, ge=1, description="kernel size of the decoder; odd"
    )
    boundary: Annotated[str, AfterValidator(values.boundary_words)] = Field(
        "auto",
        description="beyond the grid's edge: zeros (as published), periodic, reflect, replicate, "
        "or two of them as y,x; auto: what the data card says, else zeros",
    )


class TrainSection(Section):
    epochs: int = Field(20, ge=1, description="passes over the training samples")
    batch_size: Annotated[int | str, AfterValidator(values.batch_size)] = Field(
        "auto",
        description="samples per step, for each process, from 1; auto: 2 to 16, as many as leave "
        "700 steps",
    )
    val_batch_size: int = Field(8, ge=1, description="samples at a time in validation and test")
    augment: Annotated[str, AfterValidator(values.symmetry_words)] = Field(
        "auto",
        description="symmetries to transform samples by: none, or some of roll,flip_x,flip_y,"
        "rot90; auto: what the data card says, else none",
    )
    init_from: str = Field(
        "", description="weights to start from: ours or OpenSTL's, .pth or .safetensors; empty: new"
    )
    loss: str = Field(
        "mse",
        description="training loss: mse, mae or huber (quadratic up to errors of 0.1); the best "
        "model is the one of lowest validation mse with any of them",
    )
    optimizer: Literal["muon", "adam"] = Field(
        "muon", description="muon: Muon for the matrices, Adam for the rest; adam: as published"
    )
    lr: float = Field(
        1e-3, gt=0, description="Adam's peak learning rate under the one-cycle schedule"
    )
    muon_lr: float = Field(1e-2, gt=0, description="Muon's, where it is used")
    final_div_factor: float = Field(1e4, ge=1, description="final learning rate = initial / this")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="numerical precision: fp32, bf16, fp16; auto: bf16 if the hardware supports "
        "it, else fp32",
    )
    compile: Annotated[bool | str, AfterValidator(values.compile_switch)] = Field(
        "auto",
        description="whether to compile the network; auto: on a GPU, if the run is long enough",
    )
    recompute_statistics: bool = Field(
        True,
        description="recompute BatchNorm statistics for the current weights before validation; "
        "false: as published",
    )
    checkpoint_interval: int = Field(5, ge=1, description="epochs between checkpoints")
    checkpoint_every_minutes: float = Field(
        15.0, ge=0, description="minutes between checkpoints within an epoch; 0: none"
    )
    seed: Seed = Field(0, description="initial weights, order of the samples, dropout")

    @property
    def samples_per_step(self) -> int:
        """The batch size, once it has been decided."""
        assert isinstance(self.batch_size, int)
        return self.batch_size


class MetricsSection(Section):
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "fp32",
        description="precision of forecasts in validation and test; values as train.precision",
    )
    ssim_data_range: Literal["unit", "frame"] = Field(
        "unit",
        description="range of SSIM: unit for 1.0; frame for each true frame's own",
    )


class VizSection(Section):
    cmap: str = Field("viridis", description="colour map of the frames: viridis, Purples, ...")
    channel: int = Field(0, ge=0, description="channel to draw, from 0")
    fps: float = Field(4.0, gt=0, le=50, description="frames per second of the animation")


class Config(Section):
    """All settings of a run, resolved; frozen."""

    run: RunSection = RunSection()
    launch: LaunchSection = LaunchSection()
    data: DataSection = DataSection()
    simulate: SimulateSection = SimulateSection()
    split: SplitSection = SplitSection()
    model: ModelSection = ModelSection()
    train: TrainSection = TrainSection()
    metrics: MetricsSection = MetricsSection()
    viz: VizSection = VizSection()


def section_types() -> dict[str, type[Section]]:
    """The class of each section, in the order in which they are shown."""
    types: dict[str, type[Section]] = {}
    for name, field in Config.model_fields.items():
        assert isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        types[name] = field.annotation
    return types


def all_keys() -> list[str]:
    """Every key, dotted: `run.name`, ..."""
    return [f"{name}.{key}" for name, kind in section_types().items() for key in kind.model_fields]
