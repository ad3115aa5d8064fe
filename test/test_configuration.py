"""Options from files and from the command line are checked, with sentences that help."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from pose_tracker_ros.commands.overrides import parse_overrides
from pose_tracker_ros.configuration import items, load_config, make_config, nested, option, options_of


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
        ({"rat": 1.0}, "unknown option rat; did you mean rate?"),
        ({"rate": "fast"}, "expected rate to be a number, got 'fast'"),
        ({"rate": 11}, "expected rate within 0 to 10, got 11"),
        ({"rate": float("nan")}, "to be a number, got nan"),
        ({"count": 1.5}, "expected count to be a whole number, got 1.5"),
        ({"count": True}, "a whole number, got True"),
        ({"kind": "c"}, "one of a, b"),
        ({"kind": False}, "one of a, b"),
    ],
)
def test_what_does_not_fit_is_refused(values, expected):
    with pytest.raises(ValueError, match=expected):
        make_config(Options, values)


def test_overrides_go_before_the_file(tmp_path):
    path = tmp_path / "options.yaml"
    path.write_text("rate: 2.5\ncount: 7\n")
    assert load_config(Options, path, {"count": 9}) == Options(rate=2.5, count=9)
    assert load_config(Options, path, {"count": 9}, {"rate": 5.0, "kind": "b"}) == Options(2.5, 9, "b")
    path.write_text("- a list\n")
    with pytest.raises(ValueError, match="map option names"):
        load_config(Options, path, {})


@dataclass(frozen=True)
class Parts:
    """Options within options, and one that was there before."""

    REPLACED: ClassVar[dict[str, str]] = {"tempo": "set one.rate"}
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
        ({"one": {"count": 0}}, "one: expected count at least 1, got 0"),
        ({"many": [{}, {"speed": 1}]}, "many 2: unknown option speed"),
        ({"many": 3}, "expected option many to be a list, got 3"),
        ({"one": 3}, "expected one to map option names to values, got 3"),
    ],
)
def test_a_fault_within_is_named_with_its_place(values, expected):
    with pytest.raises(ValueError, match=expected):
        make_config(Parts, values)


def test_options_within_options_have_dotted_names():
    assert make_config(Parts, {"one.rate": 2, "one.count": 5}) == Parts(one=Options(rate=2.0, count=5))
    assert make_config(Parts, {"one.rate": 2, "one": {"count": 5}}) == Parts(one=Options(rate=2.0, count=5))
    assert [option.name for option in options_of(Parts)] == ["one.rate", "one.count", "one.kind"]
    with pytest.raises(ValueError, match="one: unknown option rat"):
        make_config(Parts, {"one.rat": 2})
    with pytest.raises(ValueError, match="expected one to map"):
        make_config(Parts, {"one": 3, "one.rate": 2})


def test_options_that_are_no_more_are_answered_with_what_replaces_them():
    with pytest.raises(ValueError, match="^tempo is no more: set one.rate$"):
        make_config(Parts, {"tempo": 3, "one.rate": 2})
