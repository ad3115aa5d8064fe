"""The parameter files that come with the package are those that the declared options make."""

from pathlib import Path

import pytest

from pose_tracker_ros.configuration import options_of
from pose_tracker_ros.configuration.given import config_from_given, given_in_file
from pose_tracker_ros.configuration.listing import as_yaml, parameter_file
from pose_tracker_ros.nodes.all_options import OPTIONS

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.mark.parametrize("node", OPTIONS)
def test_files_are_those_of_the_declaration(node):
    made = f"pose-tracker parameters {node} > config/{node}.yaml"
    assert (CONFIG / f"{node}.yaml").read_text() == parameter_file(node, OPTIONS[node]), f"make it anew: {made}"


@pytest.mark.parametrize("node", OPTIONS)
def test_what_they_say_is_the_default(node):
    given = given_in_file(CONFIG / f"{node}.yaml", f"/cell/{node}")
    assert len(given) == len(options_of(OPTIONS[node]))
    assert config_from_given(OPTIONS[node], given) == (OPTIONS[node](), [])


@pytest.mark.parametrize(
    ("value", "text"), [(1e-7, "1.0e-07"), (0.5, "0.5"), ("021", '"021"'), ("no", '"no"'), ("", '""'), ("a b", "a b"), ((1.0, 2.0), "[1.0, 2.0]")]
)
def test_values_are_written_as_every_reader_takes_them(value, text):
    assert as_yaml(value) == text
