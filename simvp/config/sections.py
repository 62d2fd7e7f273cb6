"""Definition of all settings: section, type, bounds, unit, default and description.

The sections `run` and `launch` define where and how a command runs, the other sections what it
computes. Help and defaults of the command-line options are generated from these fields. `training`
defines the sections of the network, its training and its scores.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from simvp import simulators
from simvp.config import values
from simvp.config.section import Section
from simvp.config.training import MetricsSection, ModelSection, TrainSection


class RunSection(Section):
    name: values.FolderName = Field("default", description="name of the run and its folder")
    work_dir: str = Field("work_dirs", description="folder of all runs", min_length=1)
    device: values.Device = Field(
        "auto", description="device: auto (a GPU if there is one), cpu, cuda, cuda:N or mps"
    )
    tensorboard: bool = Field(
        False, description="write TensorBoard events; requires the extra simvp[tensorboard]"
    )

    @property
    def folder(self) -> Path:
        return Path(self.work_dir) / self.name


class LaunchSection(Section):
    nproc: int = Field(1, ge=1, description="processes on this machine, such as one per GPU")
    nnodes: int = Field(1, ge=1, description="number of machines")
    node_rank: int = Field(0, ge=0, description="index of this machine, from 0")
    max_restarts: int = Field(0, ge=0, description="automatic restarts after a process dies")
    timeout_minutes: float = Field(10.0, gt=0, description="minutes to wait for other processes")
    rdzv_endpoint: str = Field("", description="host:port of machine 0; required if nnodes > 1")

    @model_validator(mode="after")
    def _check_machines(self) -> Self:
        if self.node_rank >= self.nnodes:
            raise ValueError(
                f"node_rank = {self.node_rank} with nnodes = {self.nnodes}: "
                "node_rank should be between 0 and nnodes - 1"
            )
        if self.nnodes > 1 and not self.rdzv_endpoint:
            raise ValueError(f"nnodes = {self.nnodes} requires rdzv_endpoint = host:port")
        return self


class DataSection(Section):
    path: values.DataPath = Field(
        "boiling_data", min_length=1, description="file, folder or URL of the data"
    )
    split: values.DataPath = Field(
        "", description="split file, or data whose newest split file is used; empty: data.path"
    )
    pre_seq_length: int = Field(10, ge=1, description="number of input frames")
    aft_seq_length: int = Field(10, ge=1, description="number of frames to forecast")
    stride: int = Field(1, ge=1, description="frames between starts of training windows")
    cache: str = Field(
        "", description="folder, on a fast disk, for decoded frames of slow data; empty: none"
    )


class SimulateSection(Section):
    system: Annotated[str, values.one_of(simulators.names)] = Field(
        "boiling", description=f"what to simulate: {', '.join(simulators.names())}"
    )
    samples: int = Field(100, ge=1, description="simulations to make")
    frames: int = Field(20, ge=1, description="frames of each, the initial one included")
    image_size: int = Field(64, ge=7, description="height and width of the grid, cells")
    parameters: dict[str, float] = Field({}, description="see `simvp simulate --help`")
    seed: values.Seed = Field(0, description="sample k is drawn from (seed, k)")

    @field_validator("parameters")
    @classmethod
    def _system_has_them(cls, value: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        if value and "system" in info.data:  # loading a simulator imports numpy
            values.check_parameters(info.data["system"], value)
        return value


class SplitSection(Section):
    train_ratio: float = Field(0.7, gt=0, lt=1, description="fraction of the samples for training")
    val_ratio: float = Field(0.15, gt=0, lt=1, description="fraction of the samples for validation")
    start: str = Field(
        "", description="first frame to use: its number from 0, or a date such as 1990-01-15"
    )
    stop: str = Field("", description="frame or date before which to stop")
    total_length: int = Field(0, ge=0, description="number of frames per sample; 0: all")
    samples: int = Field(0, ge=0, description="number of samples, selected at random; 0: all")
    start_index: int = Field(0, ge=-1, description="first frame to use; -1: random")
    init_final_only: bool = Field(False, description="use only the first and last selected frame")
    reverse: bool = Field(False, description="use the frames in reverse order")
    every: int = Field(1, ge=1, description="use every n-th frame")
    by: Literal["auto", "series", "time"] = Field(
        "auto",
        description="split by whole samples (series) or by time; auto: series if enough",
    )
    gap: int = Field(0, ge=0, description="frames to leave out between parts, with --by time")
    group: str = Field(
        "",
        description="regular expression; samples whose ids share what it matches, or its group "
        "in parentheses, stay in one part",
    )
    parts: str = Field("", description="TOML file with the samples or the period of each part")
    variables: str = Field("", description="channels to use, such as thetao,so; empty: all")
    inputs: str = Field("", description="channels to use as input only, which are not forecast")
    static: str = Field("", description="fields without time to use as input, such as depth,mask")
    axes: str = Field("", description="order of the axes, such as tnyx, where the files lack it")
    level: str = Field("", description="level of the vertical axis to use")
    crop: str = Field("", description="rows and columns to use, such as 10:50,0:64; empty: all")
    resize: str = Field(
        "",
        description="average frames to this height and width, such as 64x128; a finer grid repeats "
        "values",
    )
    scale: Literal["auto", "quantile"] = Field(
        "auto",
        description="channels without low and high in the data card are scaled by fixed limits or "
        "by their range (auto), or by their 0.1 % and 99.9 % quantiles (quantile)",
    )
    seed: values.Seed = Field(0, description="random seed of the split")

    @model_validator(mode="after")
    def _check_ratios(self) -> Self:
        if self.train_ratio + self.val_ratio > 1 + 1e-9:
            raise ValueError(
                f"train_ratio + val_ratio = {self.train_ratio + self.val_ratio:g}: "
                "the sum should be at most 1; the remainder is the test split"
            )
        return self

    @model_validator(mode="after")
    def _check_choice_of_parts(self) -> Self:
        given = [name for name in ("group", "parts") if getattr(self, name)]
        if self.by == "time" or (self.by == "series" and self.parts):
            given.append(f"by = {self.by!r}")
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; use one of them")
        return self


class VizSection(Section):
    cmap: str = Field("viridis", description="colour map of the frames: viridis, Purples, ...")
    channel: str | int = Field(0, description="channel to draw: name, number from 0, all or rgb")
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
    """The class of each section, in display order."""
    return {name: type(field.default) for name, field in Config.model_fields.items()}


def all_keys() -> list[str]:
    """All dotted keys: `run.name`, ..."""
    return [f"{name}.{key}" for name, kind in section_types().items() for key in kind.model_fields]
