"""What cannot be written is said before anything is computed. A file where a folder should be stops also root."""

import pytest
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.commands.output_folders import check_writable, install_targets


@pytest.fixture
def blocked(tmp_path):
    """A folder that nobody can make."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "folder"


def test_a_folder_that_cannot_be_written_is_named_with_the_option(tmp_path, blocked):
    check_writable(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir() and not list((tmp_path / "a" / "b").iterdir())
    with pytest.raises(ValueError, match="expected to write in .*folder: Not a directory; name another folder with --output"):
        check_writable(blocked)


def test_weights_stay_where_the_models_cannot_be_written(tmp_path, blocked, capsys):
    mine = tmp_path / "models" / "mine"
    assert install_targets([mine, blocked], None, tmp_path / "training") == [mine]
    told = " ".join(capsys.readouterr().err.split())
    assert f"{blocked} cannot be written, so the weights will stay in {tmp_path / 'training'}; use them with --weights" in told
    assert install_targets([mine, blocked], False, tmp_path) == []
    with pytest.raises(ValueError, match="--no-install, and use the weights with --weights"):
        install_targets([mine, blocked], True, tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["track", "cube", "SEQUENCE", "--initial-pose", "0 0 0.5 0 0 0 1"],
        ["evaluate", "RESULTS", "--against", "SEQUENCE"],
        ["bench", "--real", "--data", "SEQUENCE"],
        ["train", "cube"],
        ["train-initializer", "cube"],
        ["map", "SEQUENCE"],
        ["demo"],
        ["simulate", "boards.yaml"],
        ["render", "cube"],
        ["align-masks", "--demo"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_end_before_they_compute(eoat_video, blocked, tmp_path, arguments):
    (tmp_path / "results.csv").write_text("index,x,y,z,qx,qy,qz,qw\n")
    places = {"SEQUENCE": str(eoat_video), "RESULTS": str(tmp_path / "results.csv")}
    result = CliRunner().invoke(app, [*(places.get(word, word) for word in arguments), "--output", str(blocked)])
    assert result.exit_code == 1 and "expected to write in" in result.output and "--output" in result.output, result.output
