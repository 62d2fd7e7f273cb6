"""Types of settings that bounds alone cannot check.

The validators raise ValueError with a message that says what is allowed.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import InitErrorDetails

from simvp import simulators
from simvp.errors import did_you_mean
from simvp.storage.urls import check_url


def _check(is_valid: Callable[[Any], object], expected: Callable[[Any], str]) -> AfterValidator:
    """Accept valid values; for others, the message is "should be" and the expected value."""

    def check(value: Any) -> Any:
        if not is_valid(value):
            raise ValueError(f"should be {expected(value)}")
        return value

    return AfterValidator(check)


def one_of(names: Callable[[], Sequence[str]]) -> AfterValidator:
    """Accept one of `names()`; the message suggests similar ones."""
    return _check(
        lambda value: value in names(),
        lambda value: f"one of {', '.join(names())}.{did_you_mean(value, names())}",
    )


def _auto_or_number(
    kind: type[int] | type[float], accepts: Callable[[Any], bool], expected: str
) -> AfterValidator:
    """Accept "auto", and the numbers of this kind that `accepts` is true for."""
    return _check(lambda x: x == "auto" or (isinstance(x, kind) and accepts(x)), lambda x: expected)


def auto_or(parse: Callable[[str], object]) -> AfterValidator:
    """Accept "auto", and what `parse` accepts."""

    def check(value: str) -> str:
        if value != "auto":
            parse(value)
        return value

    return AfterValidator(check)


Even = Annotated[int, _check(lambda x: x % 2 == 0, lambda x: f"even, use {x - 1 or 2} or {x + 1}")]
DataPath = Annotated[str, AfterValidator(check_url)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
FolderName = Annotated[
    str,
    _check(
        # Names of locks and temporary files are longer; file systems allow 255 bytes.
        lambda x: (
            x not in ("", ".", "..")
            and not set(x) & set("/\\\0\n")
            and len(x.encode("utf-8", "replace")) <= 200
        ),
        lambda x: "a folder name without slashes, of at most 200 bytes",
    ),
]
Device = Annotated[
    str,
    _check(
        re.compile(r"auto|cpu|cuda(:\d+)?|mps").fullmatch,
        lambda x: "auto, cpu, cuda, cuda:N (the N-th GPU, from 0) or mps",
    ),
]
AutoCount = Annotated[
    int | str, _auto_or_number(int, lambda x: x >= 1, "auto or a positive integer")
]
AutoSize = Annotated[
    int | str, _auto_or_number(int, lambda x: x >= 2, "auto or an integer of at least 2")
]
AutoLayers = Annotated[
    int | str,
    _auto_or_number(
        int, lambda x: 2 <= x <= 16 and x % 2 == 0, "auto or an even number from 2 to 16"
    ),
]
AutoKernel = Annotated[
    int | str,
    _auto_or_number(int, lambda x: x >= 1 and x % 2 == 1, "auto or a positive odd number"),
]
AutoRatio = Annotated[
    float | str, _auto_or_number(float, lambda x: 1 < x < math.inf, "auto or more than 1")
]
AutoShare = Annotated[
    float | str, _auto_or_number(float, lambda x: 0 <= x <= 1, "auto or from 0 to 1")
]
AutoNoise = Annotated[
    float | str, _auto_or_number(float, lambda x: 0 <= x < math.inf, "auto, 0 or a positive number")
]
AutoRate = Annotated[
    float | str, _auto_or_number(float, lambda x: 0 < x < math.inf, "auto or a positive number")
]
AutoSwitch = Annotated[
    bool | str, _check(lambda x: x in (True, False, "auto"), lambda x: "auto, true or false")
]


def check_parameters(system: str, parameters: dict[str, float]) -> None:
    """Raises: ValidationError with a problem for each parameter that the system cannot have."""
    problems: list[InitErrorDetails] = [
        {
            "type": "value_error",
            "loc": (name,),
            "input": parameters[name],
            "ctx": {"error": ValueError(problem)},
        }
        for name, problem in simulators.load(system).problems(parameters).items()
    ]
    if problems:
        raise ValidationError.from_exception_data("parameters", problems)
