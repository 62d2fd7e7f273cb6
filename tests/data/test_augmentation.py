"""Random symmetry transformations of frames."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from simvp.data import augmentation
from simvp.physics import SYMMETRIES
from simvp.simulators import boiling

FRAMES = torch.arange(2 * 3 * 2 * 5 * 5).reshape(2, 3, 2, 5, 5).float()


@pytest.mark.parametrize(
    ("numbers", "reference"),
    [
        ((0, 0, 0, 0, 0), lambda x: x),
        ((2, 0, 0, 0, 0), lambda x: x.roll(2, -2)),
        ((0, 3, 0, 0, 0), lambda x: x.roll(3, -1)),
        ((0, 0, 1, 0, 0), lambda x: x.flip(-1)),
        ((0, 0, 0, 1, 0), lambda x: x.flip(-2)),
        ((0, 0, 0, 0, 1), lambda x: x.rot90(-1, (-2, -1))),
        ((0, 0, 0, 0, 3), lambda x: x.rot90(1, (-2, -1))),
        ((1, 2, 1, 0, 1), lambda x: x.rot90(-1, (-2, -1)).flip(-1).roll((1, 2), (-2, -1))),
    ],
)
def test_each_transformation(
    numbers: tuple[int, ...], reference: Callable[[Tensor], Tensor]
) -> None:
    # Only the second sample is transformed: samples do not mix.
    result = augmentation.apply(FRAMES, torch.tensor([[0, 0, 0, 0, 0], numbers]))
    assert torch.equal(result[0], FRAMES[0])
    assert torch.equal(result[1], reference(FRAMES[1]))


def test_non_square_frames_can_be_rolled_and_flipped() -> None:
    frames = torch.rand(1, 2, 1, 5, 7)
    result = augmentation.apply(frames, torch.tensor([[1, 2, 1, 1, 0]]))
    assert torch.equal(result, frames.flip((-2, -1)).roll((1, 2), (-2, -1)))


def test_draw_depends_only_on_seed_epoch_and_sample() -> None:
    def draw(seed: int, epoch: int, *samples: int) -> list[list[int]]:
        return augmentation.draw(
            SYMMETRIES, (9, 9), seed=seed, epoch=epoch, samples=samples
        ).tolist()

    assert draw(0, 1, 5, 6) == draw(0, 1, 5) + draw(0, 1, 6)
    assert len({str(draw(s, e, i)) for s in range(3) for e in range(3) for i in range(3)}) == 27


def test_only_requested_symmetries_are_drawn() -> None:
    numbers = augmentation.draw(["flip_x"], (9, 9), seed=0, epoch=0, samples=range(50))
    assert numbers[:, [0, 1, 3, 4]].abs().max() == 0
    assert set(numbers[:, 2].tolist()) == {0, 1}
    numbers = augmentation.draw(["roll", "rot90"], (3, 5), seed=0, epoch=0, samples=range(99))
    for column, values in enumerate([range(3), range(5), [0], [0], range(4)]):
        assert set(numbers[:, column].tolist()) == set(values)


def test_boiling_has_the_symmetries_of_its_card() -> None:
    initial = boiling.initial_state(8, np.random.default_rng(0))
    frames = torch.from_numpy(boiling.simulate(initial, frames=6, increment=10.0))[None]
    for numbers in [
        (3, 0, 0, 0, 0),
        (0, 5, 0, 0, 0),
        (0, 0, 1, 0, 0),
        (0, 0, 0, 1, 0),
        (0, 0, 0, 0, 1),
    ]:
        moved = augmentation.apply(frames, torch.tensor([numbers]))[0].numpy()
        again = boiling.simulate(moved[0] * np.float32(212), frames=6, increment=10.0)
        np.testing.assert_allclose(again, moved, atol=1e-5)
