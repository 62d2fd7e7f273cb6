"""Values of CF variables: from the numbers in a file to physical values."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Attributes = Mapping[str, Any]

# netCDF's NC_FILL_FLOAT and NC_FILL_DOUBLE: what was never written to a file.
_DEFAULT_FILL = 9.969209968386869e36
# The same of signed integers by their size: NC_FILL_SHORT, NC_FILL_INT and NC_FILL_INT64.
_DEFAULT_FILLS = {2: -(2**15) + 1, 4: -(2**31) + 1, 8: -(2**63) + 2}


class InvalidAttribute(ValueError):
    """An attribute of a variable that cannot be decoded."""


def decode(
    raw: NDArray[Any], attributes: Attributes, *, default_fill: int | None = None
) -> NDArray[np.float64]:
    """Decode stored numbers.

    Missing values and the valid range are compared with the stored numbers, before they are
    scaled. A valid range in floats of packed integers is in physical units, as the netCDF User
    Guide says.

    Args:
        raw: numbers as stored.
        attributes: of the variable, as stored.
        default_fill: another number that means a missing value; see `default_fill_of`.
    Returns: physical values, NaN where missing.
    Raises: InvalidAttribute if an attribute is not valid.
    """
    raw = raw.view(_true_type(raw.dtype, attributes))
    missing = np.zeros(raw.shape, bool)
    for number in _missing_numbers(raw.dtype, attributes):
        missing |= raw == number
    if default_fill is not None:
        missing |= raw == default_fill
    with np.errstate(over="ignore", invalid="ignore"):  # the caller refuses infinite values
        values = scaled = raw.astype(np.float64)
        if _is_packed(attributes):  # otherwise another copy would only take memory and time
            scaled = np.asarray(values * _number(attributes, "scale_factor", 1.0))  # of one, too
            scaled += _number(attributes, "add_offset", 0.0)
        for name, number in _limits(attributes):
            is_physical = raw.dtype.kind != "f" and np.asarray(number).dtype.kind == "f"
            compared = scaled if is_physical else values
            limit = _stored_limit(number, raw.dtype, attributes)
            missing |= compared < limit if name == "valid_min" else compared > limit
    scaled[missing] = np.nan
    return scaled


def default_fill_of(dtype: np.dtype[Any], attributes: Attributes) -> int | None:
    """What the netCDF library stores for integers that were never written; None if not known."""
    has_fill = "_FillValue" in attributes or "missing_value" in attributes
    is_signed = _true_type(dtype, attributes).kind == "i"
    return _DEFAULT_FILLS.get(dtype.itemsize) if is_signed and not has_fill else None


def is_8_bit(dtype: np.dtype[Any], attributes: Attributes) -> bool:
    """Whether physical values are the integers from 0 to 255."""
    return _true_type(dtype, attributes) == np.uint8 and not _is_packed(attributes)


def _is_packed(attributes: Attributes) -> bool:
    return "scale_factor" in attributes or "add_offset" in attributes


def as_text(attributes: Attributes, name: str) -> str:
    """An attribute as text, empty if there is none."""
    value = attributes.get(name, "")
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value).strip()


def _true_type(dtype: np.dtype[Any], attributes: Attributes) -> np.dtype[Any]:
    """The type that the attribute `_Unsigned` gives to integers."""
    flag = as_text(attributes, "_Unsigned").lower()
    kind = {("i", "true"): "u", ("u", "false"): "i"}.get((dtype.kind, flag))
    return dtype if kind is None else np.dtype(f"{dtype.byteorder}{kind}{dtype.itemsize}")


def _missing_numbers(dtype: np.dtype[Any], attributes: Attributes) -> Iterator[Any]:
    """The numbers of this type that mean missing values."""
    for name in ("_FillValue", "missing_value"):
        for number in _numbers(attributes, name):
            if dtype.kind == "f":
                with np.errstate(over="ignore"):
                    yield dtype.type(number)
            elif np.isfinite(number) and int(number) == number:
                whole = _wrapped(int(number), dtype, attributes)
                if np.iinfo(dtype).min <= whole <= np.iinfo(dtype).max:
                    yield dtype.type(whole)
    if dtype.kind == "f" and dtype.itemsize > 2 and "_FillValue" not in attributes:
        yield dtype.type(_DEFAULT_FILL)


def _wrapped(number: int, dtype: np.dtype[Any], attributes: Attributes) -> int:
    """An integer of an attribute, which is of the signed type although values are unsigned."""
    is_unsigned = dtype.kind == "u" and as_text(attributes, "_Unsigned").lower() == "true"
    return number % 2 ** (8 * dtype.itemsize) if is_unsigned and number < 0 else number


def _limits(attributes: Attributes) -> Iterator[tuple[str, Any]]:
    """The bounds of the valid range as (valid_min or valid_max, number)."""
    for name in ("valid_min", "valid_max"):
        for number in _numbers(attributes, name):
            yield name, number
    both = _numbers(attributes, "valid_range")
    if both and len(both) != 2:
        raise InvalidAttribute(f"attribute valid_range has {len(both)} numbers; expected 2")
    yield from zip(("valid_min", "valid_max"), both, strict=False)


def _stored_limit(number: Any, dtype: np.dtype[Any], attributes: Attributes) -> float:
    if dtype.kind == "f":  # rounded as the values are, so that the limit itself is valid
        return float(dtype.type(number))
    if np.asarray(number).dtype.kind == "f":
        return float(number)
    return float(_wrapped(int(number), dtype, attributes))


def _numbers(attributes: Attributes, name: str) -> list[Any]:
    """The numbers of an attribute; none if there is no such attribute."""
    numbers = []
    for number in np.ravel(attributes.get(name, [])):
        if np.asarray(number).dtype.kind not in "iuf":
            try:
                number = np.float64(number)
            except (TypeError, ValueError):
                raise InvalidAttribute(f"attribute {name} = {number!r} is not a number") from None
        numbers.append(number)
    return numbers


def _number(attributes: Attributes, name: str, default: float) -> float:
    """The finite number of an attribute."""
    numbers = _numbers(attributes, name) if name in attributes else [default]
    if len(numbers) != 1 or not np.isfinite(numbers[0]):
        raise InvalidAttribute(f"attribute {name} = {attributes[name]!r} is not one finite number")
    return float(numbers[0])
