"""Values from parameter files and ROS arguments: whose they are, what they mean, and how what is wrong is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from pose_tracker_ros.configuration import Rule, below, converted, make_config, merged, nested, option, options_of
from pose_tracker_ros.configuration.given import Given, config_from_given, given_in_file, overlooked_in_file
from pose_tracker_ros.nodes.ros_arguments import full_name, given_to, split_arguments


@dataclass(frozen=True)
class Limits:
    """Two that depend on each other."""

    RULES: ClassVar[tuple[Rule, ...]] = (below("low_m", "high_m"),)
    low_m: float = option(0.1, "Least", minimum=0.0, maximum=10.0)
    high_m: float = option(4.0, "Most", minimum=0.0, maximum=10.0)


@dataclass(frozen=True)
class Options:
    """Some of each kind."""

    object: str = option("cube", "A name")
    names: tuple[str, ...] = option((), "Names")
    pose: tuple[float, ...] = option((0.0, 1.0), "Numbers")
    count: int = option(3, "How many", minimum=1, maximum=9)
    loud: bool = option(False, "Whether")
    limits: Limits = merged(Limits)
    noise: Limits = nested(Limits, "The same, within")


def read(tmp_path, text, node="/cell/tracker"):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return config_from_given(Options, given_in_file(path, node))


@pytest.mark.parametrize(
    ("written", "name", "value"),
    [
        ("021", "object", "021"),
        ("0815", "object", "0815"),
        ("1_000", "object", "1_000"),
        ("0x10", "object", "0x10"),
        ("1e3", "object", "1e3"),
        ("no", "object", "no"),
        ("null", "object", "null"),
        ("2024-01-01", "object", "2024-01-01"),
        ("12:30:00", "object", "12:30:00"),
        ("'5'", "object", "5"),
        ("''", "object", ""),
        ("[021, my-cup, yes]", "names", ("021", "my-cup", "yes")),
        ("[]", "names", ()),
        ("'[021, my-cup, yes]'", "names", ("021", "my-cup", "yes")),
        ('"[0, 1.5]"', "pose", (0.0, 1.5)),
        ("[0, 1.5, 2e-3, -.5]", "pose", (0.0, 1.5, 0.002, -0.5)),
        ("05", "count", 5),
        ("0x7", "count", 7),
        ("On", "loud", True),
        ("0", "low_m", 0.0),
        ("7e-4", "low_m", 7e-4),
        ("'2'", "low_m", 2.0),
    ],
)
def test_the_option_says_what_a_text_means(tmp_path, written, name, value):
    """In a file, after -p, and after --set."""
    config, warnings = read(tmp_path, f"/**/tracker:\n  ros__parameters:\n    {name}: {written}\n")
    [by_argument] = given_to("/tracker", [("-p", f"{name}:={written}")])
    by_name = {one.name: one for one in options_of(Options)}
    assert by_name[name].value_in(config) == value
    assert type(by_name[name].value_in(config)) is type(value)
    assert converted(by_name[name], by_argument.value) == value
    assert not warnings


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ("count: 2.5", "mine.yaml: expected count to be a whole number, got 2.5"),
        ("count: many", "mine.yaml: expected count to be a whole number, got 'many'"),
        ("count: 10", "mine.yaml: expected count within 1 to 9, got 10"),
        ("loud: 1", "mine.yaml: expected loud to be true or false, got 1"),
        ("low_m: .nan", "mine.yaml: expected low_m to be a number, got .nan"),
        ("high_m: .inf", "mine.yaml: expected high_m within 0 to 10 m, got .inf"),
        ("high_m: [1]", r"mine.yaml: expected high_m to be a number, got \['1'\]"),
        ("high_m:", "mine.yaml: expected high_m to be a number, got ''"),
        ("names: cube", "mine.yaml: expected names to be a list, of which each is a text, got 'cube'"),
        ("names: '[cube'", r"mine.yaml: expected names to be a list, of which each is a text, got '\[cube'"),
        ("names: '{cube: 1}'", "mine.yaml: expected names to be a list, of which each is a text, got '{cube: 1}'"),
        ("pose: [1, x]", r"mine.yaml: expected pose to be a number, got \['1', 'x'\]"),
        ("objct: cube", "mine.yaml: unknown option objct; did you mean object?"),
        ("zzz: 3", "mine.yaml: unknown option zzz; known are: count, "),
        ("noise: {lowm: 3}", "mine.yaml: unknown option noise.lowm; did you mean noise.low_m?"),
        ("noise: {low_m: 30}", "mine.yaml: expected noise.low_m within 0 to 10 m, got 30"),
        ("low_m: 5", "mine.yaml: expected low_m below high_m, got low_m 5.0, high_m 4.0"),
        ("noise: {low_m: 4}", "expected low_m below high_m, got low_m 4.0, high_m 4.0"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_its_file(tmp_path, parameters, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        read(tmp_path, f"tracker:\n  ros__parameters:\n    {parameters}\n", "/tracker")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tracker:\n  object: cube\n", "expected ros__parameters below tracker/object in .*mine.yaml, got 'cube'"),
        ("tracker:\n  ros__parameters: 3\n", "expected ros__parameters of tracker in .*mine.yaml to map names"),
        ("- tracker\n", "expected .*mine.yaml to map"),
        ("tracker: [1\n", "expected valid YAML in .*mine.yaml"),
    ],
)
def test_what_is_no_parameter_file_is_refused(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("section", "is_meant"),
    [
        ("/cell/tracker", True),
        ("cell/tracker", True),
        ("/cell:\n  tracker", True),
        ("/**", True),
        ("/**/tracker", True),
        ("/*/tracker", True),
        ("/*/*", True),
        ("/cell/*", True),
        ("tracker", False),
        ("/*", False),
        ("/**/camera", False),
        ("/other/tracker", False),
    ],
)
def test_a_section_is_for_the_nodes_that_it_names(tmp_path, section, is_meant):
    indent = "    " if "\n" in section else "  "
    config, _ = read(tmp_path, f"{section}:\n{indent}ros__parameters: {{count: 7}}\n")
    assert config.count == (7 if is_meant else 3)


@pytest.mark.parametrize(
    ("sections", "is_told"),
    [(["tracker"], True), (["/other/tracker", "/cell/arm/tracker"], True), (["/other/tracker", "/cell/tracker"], False), (["/**/camera"], False)],
)
def test_a_file_for_nodes_of_that_name_in_other_namespaces_is_told(tmp_path, sections, is_told):
    path = tmp_path / "mine.yaml"
    path.write_text("".join(f"{section}:\n  ros__parameters: {{count: 7}}\n" for section in sections))
    told = overlooked_in_file(path, "/cell/tracker")
    assert bool(told) == is_told
    assert not is_told or ("mine.yaml: expected parameters of /cell/tracker, got those of" in told and "/**/tracker" in told)


def test_names_for_other_nodes_are_passed_over_but_not_misspelt_ones(tmp_path):
    config, [warning] = read(tmp_path, "/**:\n  ros__parameters: {robot_speed: 3, count: 4}\n")
    assert config.count == 4
    assert "mine.yaml: robot_speed is no parameter" in warning
    with pytest.raises(ValueError, match="unknown option cont; did you mean count?"):
        read(tmp_path, "/**:\n  ros__parameters: {cont: 3}\n")


def test_later_values_go_before_earlier_ones():
    given = [Given("count", "4", "a"), Given("count", 5, "b")]
    assert config_from_given(Options, given)[0].count == 5
    assert make_config(Options, {"limits": Limits(1.0, 2.0)}).limits == Limits(1.0, 2.0)


def test_arguments_are_taken_apart():
    line = ["node", "-p", "mine", "--ros-args", "-r", "__ns:=/cell", "-p", "count:=4", "--params-file", "a.yaml", "--", "-p", "x"]
    parts = split_arguments(line)
    assert parts.parameters == [("-p", "count:=4"), ("--params-file", "a.yaml")]
    assert parts.rest == ["node", "-p", "mine", "--ros-args", "-r", "__ns:=/cell", "--", "-p", "x"]
    assert full_name("tracker", None, parts.remappings) == "/cell/tracker"


@pytest.mark.parametrize(
    ("remappings", "name"),
    [
        ([], "/robot/tracker"),
        (["__node:=left"], "/robot/left"),
        (["camera:__node:=left", "tracker:__ns:=/cell"], "/cell/tracker"),
        (["__ns:=/"], "/tracker"),
    ],
)
def test_a_node_has_the_name_that_remappings_give_it(remappings, name):
    assert full_name("tracker", "robot", remappings) == name


@pytest.mark.parametrize(("text", "count"), [("tracker:count:=4", 1), ("/cell/tracker:count:=4", 1), ("camera:count:=4", 0)])
def test_a_parameter_may_be_for_one_node_alone(text, count):
    assert len(given_to("/cell/tracker", [("-p", text)])) == count


@pytest.mark.parametrize("text", ["count=4", ":=4"])
def test_what_is_no_assignment_is_refused(text):
    with pytest.raises(ValueError, match="expected -p NAME:=VALUE"):
        given_to("/tracker", [("-p", text)])
