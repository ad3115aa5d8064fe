"""The parameter files list every parameter with the default and the meaning that the code has."""

from functools import reduce
from pathlib import Path

import pytest
import yaml

from pose_tracker_ros.configuration import leaves
from pose_tracker_ros.initialization.hypotheses import HypothesesConfig
from pose_tracker_ros.simulation.demo import SimulationConfig
from pose_tracker_ros.tracking import TrackerConfig

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.mark.parametrize(
    ("file", "node", "section", "config_class"),
    [
        ("tracker.yaml", "/**/tracker", None, TrackerConfig),
        ("camera.yaml", "/**/camera", "simulation", SimulationConfig),
        ("initializer.yaml", "/**/initializer", None, HypothesesConfig),
    ],
)
def test_defaults_and_meanings_are_those_of_the_code(file, node, section, config_class):
    text = (CONFIG / file).read_text()
    parameters = yaml.safe_load(text)[node]["ros__parameters"]
    parameters = parameters[section] if section else parameters
    for name, item in leaves(config_class):
        assert reduce(lambda mapping, part: mapping[part], name.split("."), parameters) == item.default, name
        assert f"# {item.metadata['description']}" in text, name
