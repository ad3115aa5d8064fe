"""Typed configuration: frozen dataclasses whose fields carry a description, a unit and a range.

The command line, YAML files, ROS parameters and launch arguments are all made from or checked against these fields, so
that names, types, defaults and limits exist once. What a value means follows from its option's type, not from how YAML
reads it.
"""

from pose_tracker_ros.configuration.declaration import Option, Rule, below, items, merged, nested, option, options_of
from pose_tracker_ros.configuration.files import load_config, parse_options, parse_value, read_options
from pose_tracker_ros.configuration.values import converted, make_config, refuse_unknown

__all__ = [
    "Option",
    "Rule",
    "below",
    "converted",
    "items",
    "load_config",
    "make_config",
    "merged",
    "nested",
    "option",
    "options_of",
    "parse_options",
    "parse_value",
    "read_options",
    "refuse_unknown",
]
