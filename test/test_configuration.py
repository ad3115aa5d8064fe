"""Options from files and from the command line are checked, with sentences that help."""

from dataclasses import dataclass

import pytest

from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.configuration import items, load_config, make_config, nested, option


@dataclass(frozen=True)
class Options:
    """Some of each kind."""

    rate: float = option(1.0, "A number", minimum=0.0, maximum=10.0)
    count: int = option(3, "A whole number", minimum=1)
    kind: str = option("a", "A name", choices=("a", "b", "1e3"))


@pytest.mark.parametrize(("text", "value"), [("7e-4", 7e-4), ("7.0e-4", 7e-4), ("2", 2.0), ("1E+0", 1.0)])
def test_numbers_may_be_written_as_people_write_them(text, value):
    assert make_config(Options, parse_overrides([f"rate={text}"])).rate == pytest.approx(value)


def test_names_stay_names():
    assert make_config(Options, {"kind": "1e3"}).kind == "1e3"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"rat": 1.0}, "unknown option rat"),
        ({"rate": "fast"}, "of type float"),
        ({"rate": 11}, "within 0.0 to 10.0"),
        ({"rate": float("nan")}, "within"),
        ({"count": 1.5}, "of type int"),
        ({"count": True}, "of type int"),
        ({"kind": "c"}, "one of a, b"),
    ],
)
def test_what_does_not_fit_is_refused(values, expected):
    with pytest.raises(ValueError, match=expected):
        make_config(Options, values)


def test_overrides_go_before_the_file(tmp_path):
    path = tmp_path / "options.yaml"
    path.write_text("rate: 2.5\ncount: 7\n")
    assert load_config(Options, path, {"count": 9}) == Options(rate=2.5, count=9)
    path.write_text("- a list\n")
    with pytest.raises(ValueError, match="map option names"):
        load_config(Options, path, {})


@dataclass(frozen=True)
class Parts:
    """Options within options."""

    one: Options = nested(Options, "One")
    many: tuple[Options, ...] = items(Options, (Options(),), "Many")


def test_options_within_options_are_made_and_checked():
    made = make_config(Parts, {"one": {"count": 7}, "many": [{"rate": 2}, {"kind": "b"}]})
    assert made.one == Options(count=7)
    assert made.many == (Options(rate=2.0), Options(kind="b"))
    assert make_config(Parts, {}) == Parts() == Parts(Options(), (Options(),))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"one": {"count": 0}}, "one: expected option count within 1"),
        ({"many": [{}, {"speed": 1}]}, "many 2: unknown option speed"),
        ({"many": 3}, "expected option many to be a list, got 3"),
        ({"one": 3}, "expected one to map option names to values, got 3"),
    ],
)
def test_a_fault_within_is_named_with_its_place(values, expected):
    with pytest.raises(ValueError, match=expected):
        make_config(Parts, values)
