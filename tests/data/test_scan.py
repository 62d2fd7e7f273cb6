"""Reading every frame once, in one process or several."""

import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers import MemorySeries, write_sample

from simvp.data import Segment, Series, open_source, scan, segments
from simvp.data.parts import Parts
from simvp.errors import DataError

RNG = np.random.default_rng(0)
CELLS = (0, 2, 3)


def ignore(count: int, note: str) -> None:
    """Progress that nobody looks at."""


def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read three frames (2, 5, 7) at a time, and one or two of these pieces in a batch."""
    monkeypatch.setattr(segments, "_PIECE", 3 * 2 * 5 * 7 * 4)
    monkeypatch.setattr(scan, "_PER_FRAME", 0)
    monkeypatch.setattr(scan, "_BATCH", 5 * 2 * 5 * 7 * 4)


def memory_parts(*lengths: int) -> Parts:
    """One series in each part."""
    frames = [RNG.normal(3, 2, (length, 2, 5, 7)).astype(np.float32) for length in lengths]
    return [
        [Segment(MemorySeries.of(name, values), 0, len(values))]
        for name, values in zip("abc", frames, strict=True)
    ]


def values_of(part: list[Segment]) -> np.ndarray:
    return np.concatenate([segment.read_stored(0, len(segment.frames)) for segment in part])


def test_statistics_and_fingerprints_are_those_of_all_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_pieces(monkeypatch)
    parts = memory_parts(10, 4, 3)
    found = scan.scan(parts, 2, None, ignore)
    training = values_of(parts[0]).astype(np.float64)
    np.testing.assert_allclose(found.statistics.mean, training.mean(axis=CELLS), rtol=1e-12)
    np.testing.assert_allclose(found.statistics.std, training.std(axis=CELLS), rtol=1e-12)
    np.testing.assert_array_equal(found.statistics.low, training.min(axis=CELLS))
    np.testing.assert_allclose(
        found.statistics.high_quantile, np.quantile(training, 0.999, axis=CELLS)
    )
    for before, after in zip(parts, found.parts, strict=True):
        (segment,) = after
        assert segment.frames == before[0].frames
        digits = [f"{zlib.crc32(frame.tobytes()):08x}" for frame in values_of(before)]
        assert segment.checksums == digits


def test_progress_counts_frames_within_a_series(monkeypatch: pytest.MonkeyPatch) -> None:
    small_pieces(monkeypatch)
    advances: list[int] = []
    scan.scan(memory_parts(10, 4, 3), 2, None, lambda count, note: advances.append(count))
    assert sum(advances) == 17 and max(advances) <= 5 and len(advances) >= 4


def test_segments_are_cut_where_all_values_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the fingerprints of the frames that are left; such frames do not count as missing."""
    small_pieces(monkeypatch)
    parts = memory_parts(10, 4, 3)
    whole = scan.scan(parts, 2, None, ignore).parts[0][0]
    frames = parts[0][0].read_stored(0, 10)
    frames[[0, 4, 5]] = np.nan
    frames[7, 1, 2] = np.nan
    parts[0] = [Segment(MemorySeries.of("a", frames), 0, 10)]
    found = scan.scan(parts, 2, None, ignore)
    assert [segment.frames for segment in found.parts[0]] == [range(1, 4), range(6, 10)]
    assert found.parts[0][0].checksums == whole.checksums[1:4]
    assert found.parts[0][1].checksums[0] == whole.checksums[6]
    known = frames[[1, 2, 3, 6, 7, 8, 9]]
    np.testing.assert_allclose(found.statistics.missing, np.isnan(known).mean(axis=CELLS))
    np.testing.assert_allclose(
        found.statistics.mean, np.nanmean(known, axis=CELLS, dtype=float), rtol=1e-12
    )


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinite_value_is_located(monkeypatch: pytest.MonkeyPatch, bad: float) -> None:
    small_pieces(monkeypatch)
    parts = memory_parts(10, 4, 3)
    parts[1][0].series.frames[2, 1, 3, 4] = bad  # type: ignore[attr-defined]
    with pytest.raises(DataError, match=r"b, frame 2: 1 of 70 values.*\(1, 3, 4\)"):
        scan.scan(parts, 2, None, ignore)


def test_values_beyond_a_card_of_scaled_values_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_pieces(monkeypatch)
    parts = memory_parts(4, 4, 3)
    for part in parts:
        part[0].series.frames[:] = 0.5  # type: ignore[attr-defined]
    scan.scan(parts, 2, Path("card.toml"), ignore)
    parts[2][0].series.frames[1, 0, 2, 3] = 1.25  # type: ignore[attr-defined]
    with pytest.raises(DataError, match=r"c: has values from 0.5 to 1.25, but .* card.toml mean"):
        scan.scan(parts, 2, Path("card.toml"), ignore)


def use_two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_PER_PROCESS", 1)
    monkeypatch.setattr(scan, "cores", lambda: 2)


def samples(folder: Path) -> list[Series]:
    """Eight samples of different lengths; one has a frame without values."""
    for number in range(8):
        write_sample(folder / f"wave_{number}", number, frames=3 + number, channels=2)
    np.save(folder / "wave_1" / "2.npy", np.full((2, 9, 11), np.nan))
    return list(open_source(folder).series)


def assigned(items: list[Series]) -> Parts:
    segments = [Segment(item, 0, item.length) for item in items]
    return [segments[:5], segments[5:7], segments[7:]]


def test_two_processes_find_the_same_as_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(scan, "_BATCH", 5 * scan._PER_FRAME)
    monkeypatch.setattr(scan, "sample_stride", lambda num_values: 7)
    parts = assigned(samples(tmp_path))
    alone = scan.scan(parts, 2, None, ignore)
    use_two_processes(monkeypatch)
    workers: list[int] = []
    map_tasks = scan.map_tasks

    def record(function, tasks, processes, **options):  # type: ignore[no-untyped-def]
        workers.append(processes)
        return map_tasks(function, tasks, processes, **options)

    monkeypatch.setattr(scan, "map_tasks", record)
    shared = scan.scan(parts, 2, None, ignore)
    assert workers == [2]
    assert shared == alone
    assert len(shared.parts[0]) == 6  # wave_1 is cut


@pytest.mark.parametrize("processes", [1, 2])
def test_the_first_bad_frame_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, processes: int
) -> None:
    monkeypatch.setattr(scan, "_BATCH", 5 * scan._PER_FRAME)
    parts = assigned(samples(tmp_path))
    if processes == 2:
        use_two_processes(monkeypatch)
    np.save(tmp_path / "wave_5" / "3.npy", np.full((2, 9, 11), np.inf))
    (tmp_path / "wave_3" / "4.npy").write_bytes(b"damaged")
    (tmp_path / "wave_6" / "0.npy").unlink()
    with pytest.raises(DataError, match="wave_3/4.npy: is truncated"):
        scan.scan(parts, 2, None, ignore)


def test_processes_are_used_where_they_save_time() -> None:
    def num_processes(size: tuple[int, int], num_frames: int, num_pieces: int) -> int:
        frames = np.broadcast_to(np.float32(0), (num_frames, 1, *size))
        segment = Segment(MemorySeries.of("a", frames), 0, num_frames)
        batch = scan._Batch([scan._Piece(segment, 0, num_frames)], None)
        return scan._num_processes([batch] * num_pieces)

    cores = scan.cores()
    assert num_processes((64, 64), 20, 100) == 1
    assert num_processes((64, 64), 20, 20_000) == cores
    assert num_processes((8, 8), 20, 20_000) == cores
    assert num_processes((12_000, 12_000), 1, 1000) == 1  # memory for one frame only


def test_arrays_that_are_decompressed_whole_are_read_by_one_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_two_processes(monkeypatch)
    values = RNG.random((6, 20, 9, 11), dtype=np.float32)
    found = {}
    for name, save in {"plain": np.savez, "compressed": np.savez_compressed}.items():
        save(tmp_path / f"{name}.npz", u=values)
        (first, *_) = open_source(tmp_path / f"{name}.npz", axes="ntyx").series
        batch = scan._Batch([scan._Piece(Segment(first, 0, 20), 0, 20)], None)
        found[name] = scan._num_processes([batch])
    assert found == {"plain": 2, "compressed": 1}


# Runs simvp so slowly that a signal arrives while it reads.
SLOW = """
import signal, sys, time
from simvp.__main__ import main
from simvp.data import scan
from simvp.data.sources.frames import FrameSeries

read = FrameSeries.read_stored
def slowly(self, *frames):
    open("started", "w").close()
    time.sleep(0.05)
    return read(self, *frames)

FrameSeries.read_stored = slowly
scan._BATCH = scan._PER_PROCESS = 1
if __name__ == "__main__":
    # Background jobs of a shell inherit an ignored SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    processes = int(sys.argv.pop(1))
    scan.cores = lambda: processes
    main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("processes", "signum", "code", "message"),
    [
        (1, signal.SIGINT, 130, "interrupted\n"),
        (2, signal.SIGINT, 130, "interrupted\n"),
        (1, signal.SIGTERM, -signal.SIGTERM, ""),  # which a shell reports as 143
        (2, signal.SIGTERM, 143, f"terminated; {scan._INTERRUPTED}\n"),
    ],
)
def test_a_signal_stops_reading_at_once(
    tmp_path: Path, processes: int, signum: int, code: int, message: str
) -> None:
    for number in range(200):
        write_sample(tmp_path / "data" / f"wave_{number}", number, frames=2)
    (tmp_path / "slow.py").write_text(SLOW)
    command = [sys.executable, "slow.py", str(processes), "split", "data"]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while not (tmp_path / "started").exists():
            assert process.poll() is None
            time.sleep(0.01)
        if signum == signal.SIGINT:
            os.killpg(process.pid, signum)  # as Ctrl-C
        else:
            process.send_signal(signum)
        started = time.monotonic()
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (code, message)
    assert time.monotonic() - started < 5  # reading everything takes 10 s of sleep
    assert list((tmp_path / "data").glob("*.json")) == []


def test_frames_with_values_of_input_channels_only_are_empty() -> None:
    """As where a static field is known, but nothing of the field to forecast."""
    frames = np.random.default_rng(0).random((8, 2, 5, 7), dtype=np.float32)
    frames[3, 0] = np.nan
    parts = [[Segment(MemorySeries.of("a", frames), 0, 8)], [], []]
    found = scan.scan(parts, 1, None, ignore).parts[0]
    assert [segment.frames for segment in found] == [range(3), range(4, 8)]
    (whole,) = scan.scan(parts, 2, None, ignore).parts[0]
    assert whole.frames == range(8)
