"""Scores of a forecast against references and hand-computed numbers."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

import simvp
from simvp import metrics
from simvp.metrics.similarity import ssim


def frames(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(shape, dtype=np.float32))


def test_squared_and_absolute_errors_are_sums_over_a_frame() -> None:
    true = torch.zeros(1, 2, 1, 7, 9)
    pred = true.clone()
    pred[0, 1, 0, 3, 4] = 0.5
    pred[0, 1, 0, 6, 8] = -0.25
    scores = metrics.scores(pred, true)
    mse, mae, rmse, psnr = (float(scores[name][0, 1]) for name in metrics.NAMES[:4])
    assert mse == 0.3125
    assert mae == 0.75
    assert rmse == pytest.approx(math.sqrt(0.3125))
    assert psnr == pytest.approx(10 * math.log10(63 / 0.3125))


def test_psnr_of_half_unit_error_is_6_db() -> None:
    true = torch.zeros(1, 1, 2, 7, 9)
    psnr = metrics.scores(true + 0.5, true)["psnr"]
    assert float(psnr) == pytest.approx(20 * math.log10(2))


def test_exact_frame_has_perfect_scores() -> None:
    true = frames(0, 1, 1, 1, 8, 9)
    scores = metrics.scores(true, true, metrics.NAMES)
    assert [float(value) for value in scores.values()] == [0.0, 0.0, 0.0, math.inf, 1.0]


@pytest.mark.parametrize("data_range", ["unit", "frame"])
@pytest.mark.parametrize("contrast", [1.0, 0.01])
def test_ssim_matches_scikit_image(data_range: metrics.SsimRange, contrast: float) -> None:
    true = 0.4 + contrast * 0.5 * frames(1, 2, 3, 2, 11, 13)
    pred = true + contrast * 0.2 * frames(2, 2, 3, 2, 11, 13)
    pred[0, 0, 0, 0, 0] = 1.7  # clipped before the comparison
    ours = metrics.scores(pred, metrics.Truth.of(true, ssim_data_range=data_range))["ssim"]
    for b in range(2):
        for t in range(3):
            x, y = true[b, t].double().numpy(), pred[b, t].clamp(0, 1).double().numpy()
            span = 1.0 if data_range == "unit" else x.max() - x.min()
            reference = structural_similarity(x, y, data_range=span, channel_axis=0)
            assert float(ours[b, t]) == pytest.approx(reference, abs=1e-5)


def test_ssim_refuses_frames_smaller_than_its_window() -> None:
    with pytest.raises(ValueError, match="7x7 pixels or more"):
        ssim(torch.rand(1, 1, 1, 6, 9), torch.rand(1, 1, 1, 6, 9))


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"pred has shape \(1, 2, 1, 7, 7\), true \(1, 1, 1, 7, 7\)"
    ):
        metrics.scores(torch.rand(1, 2, 1, 7, 7), torch.rand(1, 1, 1, 7, 7))


def test_names_units_and_directions_of_the_scores() -> None:
    assert metrics.NAMES == ("mse", "mae", "rmse", "psnr", "ssim")
    assert {name: entry.remark for name, entry in metrics.SCORES.items()} == {
        "mse": "per frame, lower is better",
        "mae": "per frame, lower is better",
        "rmse": "per frame, lower is better",
        "psnr": "dB, higher is better",
        "ssim": "higher is better",
        "rmse_unit": "channel, lower is better",
        "bias_unit": "channel, nearer to zero is better",
        "acc": "higher is better",
        "csi": "higher is better",
        "pod": "higher is better",
        "crps": "channel, lower is better",
        "spread": "channel",
        "spread_skill": "nearer to one is better",
        "far": "lower is better",
        "fss_3": "higher is better",
        "fss_9": "higher is better",
        "vrmse": "lower is better",
        "nrmse": "lower is better",
        "spectral_low": "lower is better",
        "spectral_middle": "lower is better",
        "spectral_high": "lower is better",
        "energy_low": "nearer to one is better",
        "energy_middle": "nearer to one is better",
        "energy_high": "nearer to one is better",
    }


@pytest.mark.parametrize(
    "name", [n for n, entry in metrics.SCORES.items() if not n.startswith("spread")]
)
def test_exact_forecast_has_the_better_score(name: str) -> None:
    entry, frame = metrics.SCORES[name], frames(4, 1, 2, 1, 8, 9)
    domain = metrics.Domain(events=(metrics.Event(0, 0.7, 0.7), metrics.Event(0, 0.9, 0.9)))
    truth = metrics.Truth.of(frame, domain, climatology=frames(5, 1, 2, 1, 8, 9))
    exact, wrong = (metrics.scores(p, truth, [name])[name] for p in (frame, 1.5 * frame + 0.3))
    assert exact.shape == wrong.shape == (1, 2, *entry.shape(domain, 1))
    if entry.combine is not None:
        exact, wrong = entry.combine(exact), entry.combine(wrong)
    better = {
        "lower": exact < wrong,
        "higher": exact > wrong,
        "zero": exact.abs() < wrong.abs(),
        "one": (exact - 1).abs() < (wrong - 1).abs(),
    }
    if name == "pod":  # nothing is missed where more is forecast than happened
        assert (exact == wrong).all()
    else:
        assert better[entry.direction].all()


def test_channel_errors_computed_by_hand() -> None:
    true = torch.zeros(1, 2, 2, 7, 8)
    pred = true.clone()
    pred[0, 0, 0, 0, 0] = 0.75  # one cell of 56
    pred[0, 1, 1, 2:4, 5:8] = torch.tensor([[0.5, 0.5, 0.5], [-0.5, -0.5, 0.25]])
    scores = metrics.scores(pred, true)
    rmse, bias = scores["rmse_unit"], scores["bias_unit"]
    assert rmse.dtype == bias.dtype == torch.float64
    expected = (torch.tensor([[[0.5625, 0], [0, 1.3125]]]).double() / 56).sqrt()
    torch.testing.assert_close(rmse, expected)
    torch.testing.assert_close(bias, torch.tensor([[[0.75, 0], [0, 0.75]]]).double() / 56)


def test_channel_errors_agree_with_the_scores_of_the_frame() -> None:
    pred, true = frames(5, 2, 3, 2, 7, 9), frames(6, 2, 3, 2, 7, 9)
    scores = metrics.scores(pred, true)
    total = scores["rmse_unit"].square().sum(dim=-1) * 7 * 9
    torch.testing.assert_close(total, scores["mse"])


def test_new_file_adds_a_score(tmp_path: Path) -> None:
    package = tmp_path / "simvp"
    shutil.copytree(
        Path(simvp.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "metrics" / "a_new_one.py").write_text(
        "from simvp.metrics import Comparison, score\n"
        "@score('largest', unit='of 1', direction='lower')\n"
        "def largest(frames):\n"
        "    return frames.difference.abs().amax(dim=(2, 3, 4))\n"
    )
    code = (
        "import torch\n"
        "from simvp import metrics\n"
        "assert metrics.NAMES == ('mse', 'mae', 'rmse', 'psnr', 'ssim', 'largest')\n"
        "assert metrics.SCORES['largest'].remark == 'of 1, lower is better'\n"
        "true = torch.zeros(1, 1, 1, 7, 7)\n"
        "assert metrics.scores(true - 0.25, true)['largest'] == 0.25\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)


def test_persistence_repeats_the_last_input_frame() -> None:
    inputs = frames(3, 2, 3, 1, 7, 8)
    forecast = metrics.persistence(inputs, 4)
    assert forecast.shape == (2, 4, 1, 7, 8)
    for step in range(4):
        assert torch.equal(forecast[:, step], inputs[:, 2])


def with_holes(true: torch.Tensor) -> torch.Tensor:
    """Holes in the corner of all frames, and in one cell of one channel of one frame."""
    true = true.clone()
    true[..., :3, :4] = torch.nan
    true[0, 1, 1, 6, 5] = torch.nan
    return true


def test_missing_cells_do_not_count() -> None:
    """Also not what the forecast says there."""
    complete, pred = frames(7, 2, 3, 2, 12, 13), frames(8, 2, 3, 2, 12, 13)
    true = with_holes(complete)
    domain = metrics.Domain(events=(metrics.Event(0, 0.5, 0.5), metrics.Event(1, 0.2, 0.2)))
    truth = metrics.Truth.of(true, domain, climatology=frames(9, 2, 3, 2, 12, 13))
    deviation = 0.1 * frames(10, 2, 3, 2, 12, 13)
    members = torch.stack([pred - deviation, pred + deviation])
    scores = metrics.scores(members, truth)
    assert scores.keys() == metrics.SCORES.keys()
    others = metrics.scores(torch.where(true.isnan(), 1e6 * members, members), truth)
    for name, found in others.items():
        torch.testing.assert_close(found, scores[name], rtol=0, atol=0, equal_nan=True)
    values = {name: float(scores[name][0, 1]) for name in metrics.NAMES}
    t, p = true[0, 1].double().numpy(), pred[0, 1].double().numpy()
    known = ~np.isnan(t)
    errors = (p - t)[known]
    assert values["mse"] == pytest.approx((errors**2).mean() * t.size)
    assert values["mae"] == pytest.approx(np.abs(errors).mean() * t.size)
    assert values["psnr"] == pytest.approx(-10 * np.log10((errors**2).mean()))
    for channel in range(2):
        errors = (p - t)[channel][known[channel]]
        rmse, bias = (float(scores[n][0, 1, channel]) for n in ("rmse_unit", "bias_unit"))
        assert rmse == pytest.approx(np.sqrt((errors**2).mean()))
        assert bias == pytest.approx(errors.mean())


@pytest.mark.parametrize("data_range", ["unit", "frame"])
def test_ssim_leaves_out_windows_that_touch_a_hole(data_range: metrics.SsimRange) -> None:
    complete, pred = frames(9, 1, 2, 2, 14, 15), frames(10, 1, 2, 2, 14, 15)
    true = with_holes(complete)
    ours = metrics.scores(pred, metrics.Truth.of(true, ssim_data_range=data_range))["ssim"]
    expected = []
    span = 1.0 if data_range == "unit" else np.ptp(true[0, 1].numpy()[~true[0, 1].isnan().numpy()])
    for channel in range(2):
        holes = true[0, 1, channel].isnan().double().numpy()
        filled = true[0, 1, channel].nan_to_num(0.3).double().numpy()
        prediction = np.where(holes, 0.7, pred[0, 1, channel].double().numpy())
        _, local = structural_similarity(filled, prediction, data_range=span, full=True)
        windows = [
            local[y, x]
            for y in range(3, 11)
            for x in range(3, 12)
            if not holes[y - 3 : y + 4, x - 3 : x + 4].any()
        ]
        expected.append(np.mean(windows))
    found = float(ours[0, 1])
    assert found == pytest.approx(np.mean(expected), abs=1e-6)


def test_persistence_bridges_holes() -> None:
    inputs = torch.arange(6.0).reshape(1, 3, 1, 1, 2)
    inputs[0, 2, 0, 0, 0] = torch.nan  # known in the frame before: 2
    assert metrics.persistence(inputs, 2)[0, 1, 0, 0].tolist() == [2.0, 5.0]
    inputs[0, :, 0, 0, 0] = torch.nan  # never known: the mean of the frame
    assert metrics.persistence(inputs, 2)[0, 1, 0, 0].tolist() == [5.0, 5.0]
