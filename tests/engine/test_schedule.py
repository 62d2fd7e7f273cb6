"""The one-cycle schedule, and the number of passes."""

import pytest
import torch

from simvp.engine.schedule import num_passes, one_cycle


@pytest.mark.parametrize("total_steps", [1, 2, 3, 9, 40, 180])
def test_every_step_matches_pytorch(total_steps: int) -> None:
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=2e-3, total_steps=total_steps, final_div_factor=1e4
    )
    for step in range(total_steps):
        factor, beta1 = one_cycle(step, total_steps, final_div_factor=1e4)
        assert 2e-3 * factor == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9, abs=1e-15)
        assert beta1 == pytest.approx(optimizer.param_groups[0]["betas"][0], rel=1e-9)
        optimizer.step()
        if step < total_steps - 1:
            reference.step()


def test_values_at_selected_steps() -> None:
    def lr(step: int) -> float:
        return one_cycle(step, 100, final_div_factor=1e4)[0]

    assert lr(0) == pytest.approx(0.04)  # 1/25 of the peak
    assert lr(29) == pytest.approx(1.0)  # the peak, after 30 % of the steps
    assert lr(99) == pytest.approx(0.04 / 1e4)  # the last step
    assert lr(64) == pytest.approx(0.5, abs=0.01)  # half-way down the cosine


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.4, [1, 1, 1, 3, 3]), (0.0, [1] * 5), (1.0, [3] * 5)],
)
def test_last_steps_train_several_passes(share: float, expected: list[int]) -> None:
    assert [num_passes(step, 5, rollout=3, share=share) for step in range(5)] == expected
