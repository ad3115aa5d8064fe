"""Numbers in file names and times of frames."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pose_tracker_ros.datasets import DatasetError
from pose_tracker_ros.datasets.frame_times import frame_times
from pose_tracker_ros.datasets.numbered_files import number_in_name, numbered_files

NUMBERED = st.dictionaries(st.integers(0, 10**7), st.integers(1, 9), min_size=1, max_size=30)


@given(NUMBERED)
def test_files_come_in_the_order_of_their_numbers_however_padded(paddings):
    with TemporaryDirectory() as name:
        folder = Path(name)
        for number, width in paddings.items():
            (folder / f"{number:0{width}d}.png").touch()
        files = numbered_files(folder, (".png",))
        assert list(files) == sorted(paddings)
        assert all(path.name == f"{number:0{paddings[number]}d}.png" for number, path in files.items())


@pytest.mark.parametrize("name", ["7.png", "007.JPG", "frame7.png", "frame-000007.color.jpg"])
def test_a_name_has_one_number(name):
    assert number_in_name(Path(name)) == 7


def test_unix_times_with_a_fraction_are_nanoseconds(tmp_path):
    names = ("1305031453.359684.png", "1305031453.3917.png", "1305031452.999999999.png")
    for name in names:
        (tmp_path / name).touch()
    files = numbered_files(tmp_path, (".png",))
    assert [path.name for path in files.values()] == [names[2], names[0], names[1]]
    times = frame_times(tuple(files), tmp_path / "timestamps.txt", None)
    assert times.indices == (0, 1, 2) and times.stamps == pytest.approx((1305031452.999999999, 1305031453.359684, 1305031453.3917))


@pytest.mark.parametrize("name", ["cover.png", "12.50.png", "7_1.png"])
def test_names_without_a_number_or_with_several_are_named(tmp_path, name):
    (tmp_path / "3.png").touch()
    (tmp_path / name).touch()
    with pytest.raises(DatasetError, match=f"one number.*{name}"):
        numbered_files(tmp_path, (".png",))


def test_two_names_with_one_number_are_both_named(tmp_path):
    for name in ("7.png", "007.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(DatasetError, match="007.jpg and 7.png both have the number 7"):
        numbered_files(tmp_path, (".png", ".jpg"))


def test_other_and_hidden_files_are_passed_over(tmp_path):
    for name in ("1.png", "._1.png", "notes.txt", "Thumbs.db"):
        (tmp_path / name).touch()
    assert list(numbered_files(tmp_path, (".png",))) == [1]
    assert numbered_files(tmp_path / "nowhere", (".png",)) == {}


def test_times_are_number_over_rate_without_a_file(tmp_path):
    times = frame_times((3, 12), tmp_path / "timestamps.txt", 10.0)
    assert times.indices == (3, 12) and times.stamps == pytest.approx((0.3, 1.2)) and times.rate_hz == 10
    assert frame_times((3,), tmp_path / "timestamps.txt", None).rate_hz == 30


def test_times_of_a_file_belong_to_numbers(tmp_path):
    path = tmp_path / "timestamps.txt"
    path.write_text("# number, nanoseconds\n0003 1000000000\n12, 1250000000\n13 1500000000\n")
    times = frame_times((3, 12, 13, 20), path, None)
    assert times.stamps == (1.0, 1.25, 1.5, None) and times.rate_hz == pytest.approx(4)
    path.write_text("3 1000000000\n12 1000000000\n")
    with pytest.raises(DatasetError, match="frame 12 is not later than 3"):
        frame_times((3, 12), path, None)
    path.write_text("3 1.5\n")
    with pytest.raises(DatasetError, match="frame number, nanoseconds"):
        frame_times((3, 12), path, None)


@pytest.mark.parametrize("unit", [10**9, 10**6, 10**3])
def test_names_that_are_unix_times_are_stamps(tmp_path, unit):
    times = frame_times((1581120424 * unit, 1581120424 * unit + unit // 20), tmp_path / "timestamps.txt", None)
    assert times.indices == (0, 1) and times.stamps[0] == pytest.approx(1581120424)
    assert times.rate_hz == pytest.approx(20, rel=1e-4)
