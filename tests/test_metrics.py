import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from simvp import metrics


def frames(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(shape, dtype=np.float32))


def test_squared_and_absolute_errors_are_sums_over_a_frame() -> None:
    true = torch.zeros(1, 2, 1, 7, 9)
    pred = true.clone()
    pred[0, 1, 0, 3, 4] = 0.5
    pred[0, 1, 0, 6, 8] = -0.25
    scores = metrics.frame_scores(pred, true)[0, 1].tolist()
    mse, mae, rmse, psnr, _ = scores
    assert mse == 0.3125
    assert mae == 0.75
    assert rmse == pytest.approx(math.sqrt(0.3125))
    assert psnr == pytest.approx(10 * math.log10(63 / 0.3125))


def test_psnr_of_half_unit_error_is_6_db() -> None:
    true = torch.zeros(1, 1, 2, 7, 9)
    psnr = metrics.frame_scores(true + 0.5, true)[0, 0, metrics.NAMES.index("psnr")]
    assert float(psnr) == pytest.approx(20 * math.log10(2))


def test_an_exact_frame_scores_perfectly() -> None:
    true = frames(0, 1, 1, 1, 8, 9)
    assert metrics.frame_scores(true, true)[0, 0].tolist() == [0.0, 0.0, 0.0, math.inf, 1.0]


@pytest.mark.parametrize("data_range", ["unit", "frame"])
@pytest.mark.parametrize("contrast", [1.0, 0.01])
def test_ssim_is_scikit_images(data_range: metrics.SsimRange, contrast: float) -> None:
    true = 0.4 + contrast * 0.5 * frames(1, 2, 3, 2, 11, 13)
    pred = true + contrast * 0.2 * frames(2, 2, 3, 2, 11, 13)
    pred[0, 0, 0, 0, 0] = 1.7  # clipped before the comparison
    ours = metrics.frame_scores(pred, true, ssim_data_range=data_range)[..., -1]
    for b in range(2):
        for t in range(3):
            x, y = true[b, t].double().numpy(), pred[b, t].clamp(0, 1).double().numpy()
            span = 1.0 if data_range == "unit" else x.max() - x.min()
            reference = structural_similarity(x, y, data_range=span, channel_axis=0)
            assert float(ours[b, t]) == pytest.approx(reference, abs=1e-5)


def test_ssim_refuses_frames_smaller_than_its_window() -> None:
    with pytest.raises(ValueError, match="7x7 pixels or more"):
        metrics.ssim(torch.rand(1, 1, 1, 6, 9), torch.rand(1, 1, 1, 6, 9))


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"pred has shape \(1, 2, 1, 7, 7\), true \(1, 1, 1, 7, 7\)"
    ):
        metrics.frame_scores(torch.rand(1, 2, 1, 7, 7), torch.rand(1, 1, 1, 7, 7))


def test_persistence_repeats_the_last_input_frame() -> None:
    inputs = frames(3, 2, 3, 1, 7, 8)
    forecast = metrics.persistence(inputs, 4)
    assert forecast.shape == (2, 4, 1, 7, 8)
    for step in range(4):
        assert torch.equal(forecast[:, step], inputs[:, 2])
