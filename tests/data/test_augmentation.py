"""Random symmetry transformations of frames."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from helpers import describe_data
from torch import Tensor

from simvp.data import augmentation
from simvp.data.card import DatasetCard
from simvp.data.scaling import Scaling
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


def gradient(field: Tensor) -> Tensor:
    """Central differences along x and y of periodic fields (B, T, 1, H, W): (B, T, 2, H, W)."""
    differences = [(field.roll(-1, axis) - field.roll(1, axis)) / 2 for axis in (-1, -2)]
    return torch.cat(differences, dim=2)


@pytest.mark.parametrize("size", [(6, 6), (5, 7)])
def test_transformed_gradient_is_the_gradient_of_the_transformed_field(
    size: tuple[int, int],
) -> None:
    """In physical units, where the components are scaled differently."""
    is_square = size[0] == size[1]
    choices = (range(0, 6, 2), range(0, 6, 3), range(2), range(2), range(4 if is_square else 1))
    transformations = torch.tensor([*itertools.product(*choices)])
    generator = torch.Generator().manual_seed(0)
    field = torch.rand(len(transformations), 2, 1, *size, generator=generator)
    # The order of the channels differs from that of the components.
    scaling = Scaling(low=(-1.0, 0.0, -3.0), high=(1.5, 2.0, 5.0))
    x, y = gradient(field).split(1, dim=2)
    frames = scaling.to_unit(torch.cat([y, field, x], dim=2))
    data = describe_data((3, *size)).model_copy(
        update={"scaling": scaling, "card": DatasetCard(vectors=[["2", "0"]])}
    )
    moved = scaling.to_physical(
        augmentation.apply(frames, transformations, augmentation.vectors(data))
    )
    y, field, x = moved.split(1, dim=2)
    torch.testing.assert_close(torch.cat([x, y], dim=2), gradient(field), rtol=0, atol=2e-6)
    plain = scaling.to_physical(augmentation.apply(frames, transformations))
    y, field, x = plain.split(1, dim=2)
    differs = (torch.cat([x, y], dim=2) - gradient(field)).abs().amax(dim=(1, 2, 3, 4)) > 0.1
    expected = [
        numbers not in ([0, 0, 0], [1, 1, 2]) for numbers in transformations[:, 2:].tolist()
    ]
    assert differs.tolist() == expected  # the negative control


def test_components_without_a_change_keep_their_bits_and_holes_stay_single() -> None:
    vector = augmentation.Vector(channels=(0, 1), zero=(0.3, -7.1), span=(3.7, 0.9))
    frames = torch.rand(2, 3, 2, 5, 5)
    frames[:, 0, 0, 1, 2] = torch.nan
    result = augmentation.apply(frames, torch.tensor([[0] * 5, [0, 0, 0, 0, 1]]), [vector])
    torch.testing.assert_close(result[0], frames[0], rtol=0, atol=0, equal_nan=True)
    # The quarter turn brings the missing component x of a cell to component y of another cell.
    assert result[1].isnan().nonzero().tolist() == [[0, 1, 2, 3]]


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
