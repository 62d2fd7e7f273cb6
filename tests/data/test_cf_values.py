"""Decoding of CF variables: expected values are computed by hand."""

from typing import Any

import numpy as np
import pytest

from simvp.data.cf_values import decode, is_8_bit

NAN = np.nan


@pytest.mark.parametrize(
    ("raw", "attributes", "expected"),
    [
        ([1, 2, 3], {}, [1, 2, 3]),
        ([1, -9, 3], {"_FillValue": np.int16(-9)}, [1, NAN, 3]),
        ([1, -9, 3], {"missing_value": np.int16(-9)}, [1, NAN, 3]),
        ([-8, -9, 3], {"missing_value": -9, "_FillValue": -8}, [NAN, NAN, 3]),
        ([-8, -9, 3], {"missing_value": [-9, -8]}, [NAN, NAN, 3]),
        ([-8, -9, 3], {"missing_value": np.array([-9.0, -8.0])}, [NAN, NAN, 3]),
        ([1, -9, 3], {"missing_value": "-9"}, [1, NAN, 3]),
        # numbers that no stored value can be
        ([1, -1, 3], {"missing_value": 65535, "_FillValue": NAN}, [1, -1, 3]),
        ([1, 2, 3], {"missing_value": 1.5}, [1, 2, 3]),
        # missing values and the valid range are those of packed values
        ([1, 20, 3], {"_FillValue": 20, "scale_factor": 0.5, "add_offset": 1.0}, [1.5, NAN, 2.5]),
        ([1, 2, 3], {"valid_min": np.int16(2), "scale_factor": 10.0}, [NAN, 20, 30]),
        ([1, 2, 3], {"valid_max": 2, "scale_factor": 10.0}, [10, 20, NAN]),
        ([1, 2, 3, 4], {"valid_range": [2, 3], "add_offset": 5.0}, [NAN, 7, 8, NAN]),
        # a valid range in floats is physical
        ([1, 2, 3, 4], {"valid_range": [20.0, 30.0], "scale_factor": 10.0}, [NAN, 20, 30, NAN]),
    ],
)
def test_packed_integers(raw: list[int], attributes: dict[str, Any], expected: list[float]) -> None:
    np.testing.assert_array_equal(decode(np.array(raw, "i2"), attributes), expected)


def test_floats_are_compared_as_they_are_stored() -> None:
    raw = np.array([0.1, -999.9, 9.96921e36, 0.7], "f4")
    attributes = {"missing_value": -999.9, "valid_min": 0.1, "valid_max": np.float64(0.7)}
    expected = [np.float32(0.1), NAN, NAN, np.float32(0.7)]
    np.testing.assert_array_equal(decode(raw, attributes), expected)


def test_values_never_written_are_missing_in_floats() -> None:
    raw = np.array([1.0, 9.969209968386869e36])
    np.testing.assert_array_equal(decode(raw, {}), [1.0, NAN])
    np.testing.assert_array_equal(decode(raw.astype("f4"), {}), [1.0, NAN])


@pytest.mark.parametrize("flag", ["true", "True", b"true"])
def test_unsigned_attribute_changes_values_and_limits(flag: Any) -> None:
    raw = np.array([1, -1, -2, 100, -56], "i1")
    attributes = {
        "_Unsigned": flag,
        "_FillValue": np.int8(-1),
        "valid_max": np.int8(-50),  # 206
        "scale_factor": 0.5,
    }
    np.testing.assert_array_equal(decode(raw, attributes), [0.5, NAN, NAN, 50.0, 100.0])
    big = np.array([-1, 5], ">i2")
    np.testing.assert_array_equal(decode(big, {"_Unsigned": flag}), [65535, 5])


def test_unsigned_bytes_may_be_declared_signed() -> None:
    raw = np.array([255, 128, 127], "u1")
    np.testing.assert_array_equal(decode(raw, {"_Unsigned": "false"}), [-1, -128, 127])


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"scale_factor": "big"}, "scale_factor = .*big.* is not a number"),
        ({"scale_factor": NAN}, "scale_factor = nan is not one finite number"),
        ({"add_offset": [1, 2]}, r"add_offset = \[1, 2\] is not one finite number"),
        ({"valid_range": [1]}, "valid_range has 1 numbers; expected 2"),
        ({"_FillValue": "x"}, "_FillValue = .*x.* is not a number"),
    ],
)
def test_invalid_attributes_are_named(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(np.ones(3, "i2"), attributes)


def test_bytes_are_unsigned_and_not_packed() -> None:
    assert is_8_bit(np.dtype("u1"), {}) and is_8_bit(np.dtype("i1"), {"_Unsigned": "true"})
    assert not is_8_bit(np.dtype("i1"), {})
    assert not is_8_bit(np.dtype("u1"), {"add_offset": 1})
