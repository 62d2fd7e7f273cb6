from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from simvp.data import augmentation
from simvp.models.simvp import SimVP
from simvp.physics import SYMMETRIES, parse_boundary, parse_symmetries
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


def test_frames_that_are_not_square_can_be_rolled_and_flipped() -> None:
    frames = torch.rand(1, 2, 1, 5, 7)
    result = augmentation.apply(frames, torch.tensor([[1, 2, 1, 1, 0]]))
    assert torch.equal(result, frames.flip((-2, -1)).roll((1, 2), (-2, -1)))


def test_a_draw_depends_on_seed_epoch_and_sample_alone() -> None:
    def draw(seed: int, epoch: int, *samples: int) -> list[list[int]]:
        return augmentation.draw(
            SYMMETRIES, (9, 9), seed=seed, epoch=epoch, samples=samples
        ).tolist()

    assert draw(0, 1, 5, 6) == draw(0, 1, 5) + draw(0, 1, 6)
    assert len({str(draw(s, e, i)) for s in range(3) for e in range(3) for i in range(3)}) == 27


def test_only_what_is_named_is_drawn() -> None:
    numbers = augmentation.draw(["flip_x"], (9, 9), seed=0, epoch=0, samples=range(50))
    assert numbers[:, [0, 1, 3, 4]].abs().max() == 0
    assert set(numbers[:, 2].tolist()) == {0, 1}
    numbers = augmentation.draw(["roll", "rot90"], (3, 5), seed=0, epoch=0, samples=range(99))
    for column, values in enumerate([range(3), range(5), [0], [0], range(4)]):
        assert set(numbers[:, column].tolist()) == set(values)


def test_boiling_has_the_symmetries_that_its_card_claims() -> None:
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


SMALL = {"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2, "mlp_ratio": 2.0}


def test_a_periodic_network_commutes_with_a_roll() -> None:
    """By multiples of the down-sampling; the published network does not."""
    frames = torch.rand(1, 3, 1, 16, 12)
    rolled = frames.roll((2, 4), (-2, -1))
    for kind, holds in [("periodic", True), ("zeros", False)]:
        torch.manual_seed(0)
        network = SimVP((3, 1, 16, 12), **SMALL, boundary=(kind, kind)).eval()
        with torch.inference_mode():
            same = torch.allclose(
                network(rolled), network(frames).roll((2, 4), (-2, -1)), atol=1e-5
            )
        assert same is holds


@pytest.mark.parametrize("size", [16, 4])
@pytest.mark.parametrize(
    ("kind", "mode"), [("periodic", "wrap"), ("reflect", "reflect"), ("replicate", "edge")]
)
def test_extension_is_numpys_padding(kind: str, mode: str, size: int) -> None:
    from simvp.models.simvp.padding import extend

    x = torch.rand(2, 3, size, size + 1)
    reach = 9  # beyond the smaller grid
    padding = [(0, 0), (0, 0), (reach, reach), (reach, reach)]
    np.testing.assert_array_equal(extend(x, reach, (kind, kind)), np.pad(x, padding, mode))
    along_x = np.pad(np.pad(x, padding[:3] + [(0, 0)]), [(0, 0)] * 3 + [(reach, reach)], mode)
    np.testing.assert_array_equal(extend(x, reach, ("zeros", kind)), along_x)


def test_words() -> None:
    assert parse_boundary("periodic") == ("periodic", "periodic")
    assert parse_boundary("zeros,reflect") == ("zeros", "reflect")
    assert parse_symmetries("none") == ()
    assert parse_symmetries("rot90,roll") == ("roll", "rot90")
    for parse, wrong in [(parse_boundary, "round"), (parse_boundary, "a,b,c")]:
        with pytest.raises(ValueError, match="should be one of zeros, periodic"):
            parse(wrong)
    with pytest.raises(ValueError, match="should be none, or some of roll"):
        parse_symmetries("roll,spin")
