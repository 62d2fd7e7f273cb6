"""What metrics.json has to contain to be shown: it may have been edited, damaged or made up."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Number = Annotated[float, Field(strict=True)] | None  # null where a score is not defined
Step = Annotated[int, Field(ge=0, le=1_000_000)]
FolderName = Annotated[str, Field(pattern=r"^[^/\\]+$")]  # of a saved sample


class _Scores(BaseModel):
    """Scores of frames, of a channel or of an event: each in all, by step, and its interval."""

    model_config = ConfigDict(extra="allow")

    per_step: dict[str, list[Number]] = {}
    interval: dict[str, Annotated[list[Number], Field(min_length=2, max_length=2)] | None] = {}
    skill: Number = None
    skill_per_step: list[Number] = []
    useful_until: Step = 0
    vrmse_above_1_from: Step | None = None
    threshold: Number = None
    unit: str = ""

    @model_validator(mode="after")
    def _has_the_means(self) -> Self:
        for name in self.per_step:
            value = (self.__pydantic_extra__ or {}).get(name)
            if not (value is None or isinstance(value, float | int)):
                raise ValueError(f"{name} is no number")
        if len({len(values) for values in self.per_step.values()}) > 1:
            raise ValueError("per_step has lists of different lengths")
        return self


class _ChannelScores(_Scores):
    events: list[_Scores] = []


class _Forecast(_Scores):
    channels: dict[str, _ChannelScores] = {}


class _Weights(BaseModel):
    weights: str
    weights_sha256: str


class ScoreRecord(_Forecast):
    """The whole file. Other entries are the scores of frames, and a table for each baseline."""

    samples: dict[FolderName, dict[str, Number]]
    left_out: dict[str, int] = {}
    num_samples: int = 0
    split: str = ""
    weights: str = ""
    members: list[_Weights] = []
    part: str = ""

    @model_validator(mode="after")
    def _has_baselines(self) -> Self:
        for value in (self.__pydantic_extra__ or {}).values():
            if isinstance(value, dict):
                _Forecast.model_validate(value)
        return self


def check_record(record: Any) -> None:
    """Raises ValueError if a record of scores is not complete."""
    ScoreRecord.model_validate(record)
