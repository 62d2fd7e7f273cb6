"""Validators for settings that bounds alone cannot check.

Each function returns the value, or raises ValueError with a message that says what is allowed.
"""

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from simvp import simulators
from simvp.errors import did_you_mean
from simvp.models.simvp import translators
from simvp.physics import parse_boundary, parse_symmetries


def even(value: int) -> int:
    if value % 2:
        raise ValueError(f"should be even, use {value - 1 or 2} or {value + 1}")
    return value


def odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"should be odd, use {value - 1} or {value + 1}")
    return value


def folder_name(value: str) -> str:
    if value in ("", ".", "..") or any(character in value for character in "/\\\0\n"):
        raise ValueError("should be a folder name without slashes")
    return value


def translator_name(value: str) -> str:
    if value not in translators.names():
        known = ", ".join(translators.names())
        raise ValueError(f"should be one of {known}.{did_you_mean(value, translators.names())}")
    return value


def system_name(value: str) -> str:
    if value not in simulators.names():
        known = ", ".join(simulators.names())
        raise ValueError(f"should be one of {known}.{did_you_mean(value, simulators.names())}")
    return value


def check_parameters(system: str, parameters: dict[str, float]) -> None:
    """Raises: ValidationError with a problem for each parameter that the system cannot have."""
    problems = simulators.load(system).problems(parameters)
    if problems:
        raise ValidationError.from_exception_data(
            "parameters",
            [
                InitErrorDetails(
                    type="value_error",
                    loc=(name,),
                    input=parameters[name],
                    ctx={"error": ValueError(problem)},
                )
                for name, problem in problems.items()
            ],
        )


def device_name(value: str) -> str:
    kind, _, index = value.partition(":")
    if value not in ("auto", "cpu", "cuda", "mps") and not (kind == "cuda" and index.isdecimal()):
        raise ValueError("should be auto, cpu, cuda, cuda:N (the N-th GPU, from 0) or mps")
    return value


def boundary_words(value: str) -> str:
    if value != "auto":
        parse_boundary(value)
    return value


def symmetry_words(value: str) -> str:
    if value != "auto":
        parse_symmetries(value)
    return value


def batch_size(value: int | str) -> int | str:
    if value != "auto" and (isinstance(value, str) or value < 1):
        raise ValueError("should be auto or a positive integer")
    return value


def compile_switch(value: bool | str) -> bool | str:
    if isinstance(value, str) and value != "auto":
        raise ValueError("should be auto, true or false")
    return value
