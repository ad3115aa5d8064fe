"""ROS parameters made from the options of a configuration class."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import yaml
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from pose_tracker_ros.configuration import Option, converted, make_config, options_of
from pose_tracker_ros.configuration.given import Given, config_from_given, overlooked_in_file
from pose_tracker_ros.nodes.ros_arguments import FILES, OF_RCLPY, full_name, given_to, split_arguments

Config = TypeVar("Config")


class NodeOptions(Generic[Config]):
    """The options of a node as its command line, its parameter files and its maker give them.

    Values are read here instead of by rclpy: there YAML decides their types, and what it cannot read has no file's name.
    To be made before the node, which is then made with ``arguments`` and handed to ``declare``.
    """

    def __init__(self, name: str, config_class: type[Config], arguments: dict[str, Any]) -> None:
        """``arguments``: of ``rclpy.node.Node``. Raises OSError or ValueError, in one sentence that names the place."""
        own = split_arguments(arguments.get("cli_args") or [])
        shared = split_arguments(sys.argv if arguments.get("use_global_arguments", True) else [])
        self.name = full_name(name, arguments.get("namespace"), [*own.remappings, *shared.remappings])
        overrides = arguments.get("parameter_overrides") or []
        parameters = [*shared.parameters, *own.parameters]
        given = given_to(self.name, parameters)
        given += [Given(one.name, one.value, f"parameters of {self.name}") for one in overrides]
        foreign = [one for one in given if one.name.startswith(OF_RCLPY)]
        self.options, passed_over = config_from_given(config_class, [one for one in given if one not in foreign])
        overlooked = [overlooked_in_file(text, self.name) for flag, text in parameters if flag in FILES]
        self._warnings = [*filter(None, overlooked), *passed_over]
        self.arguments = {
            **arguments,
            "cli_args": own.rest or None,
            "parameter_overrides": [Parameter(one.name, value=_as_yaml(one.value)) for one in foreign],
        }

    def declare(self, node: Node) -> Config:
        """Declare every option as a parameter with its description, range and value; the configuration."""
        declared = options_of(type(self.options))
        for option in declared:
            node.declare_parameter(option.name, _value_of(self.options, option), _descriptor(option), ignore_override=True)
        by_name = {option.name: option for option in declared}
        node.add_pre_set_parameters_callback(lambda changed: [_typed(by_name.get(one.name), one) for one in changed])
        for warning in self._warnings:
            node.get_logger().warning(warning)
        return self.options


def apply_changes(node: Node, config_class: type[Config], apply: Callable[[Config], None]) -> None:
    """Have changes of options checked and applied; a change that is refused gets the reason as answer."""
    names = {option.name for option in options_of(config_class)}

    def on_change(changed: list[Parameter]) -> SetParametersResult:
        # Every topic that is made declares parameters of its quality.
        if names.isdisjoint(one.name for one in changed):
            return SetParametersResult(successful=True)
        try:
            apply(config_from_parameters(node, config_class, changed))
        except (OSError, ValueError) as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(on_change)


def config_from_parameters(node: Node, config_class: type[Config], changed: Sequence[Parameter] = ()) -> Config:
    """The configuration that the node's parameters say, with ``changed`` ones on top.

    Raises ValueError for values out of range, and for those that contradict each other.
    """
    values = {option.name: node.get_parameter(option.name).value for option in options_of(config_class)}
    values.update({one.name: one.value for one in changed if one.name in values})
    return make_config(config_class, values)


def _typed(option: Option | None, parameter: Parameter) -> Parameter:
    """A parameter as its option's type, as it is where it cannot be: rclpy then refuses it."""
    if option is None:
        return parameter
    try:
        value = converted(option, parameter.value)
    except ValueError:
        return parameter
    return Parameter(parameter.name, value=list(value) if option.is_list else value)


def _value_of(config: Any, option: Option) -> Any:
    value = option.value_in(config)
    return list(value) if option.is_list else value


def _descriptor(option: Option) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=option.meaning(),
        read_only=option.read_only,
        # The configuration names the choices to a value of another type; rclpy would name the type alone. Of an empty list
        # it would take another type for granted.
        dynamic_typing=bool(option.choices) or option.is_list,
    )
    low, high = option.minimum, option.maximum
    if low is not None and high is not None and not option.is_list:
        if option.kind is int:
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
        elif option.kind is float:
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    return descriptor


def _as_yaml(value: Any) -> Any:
    """What YAML takes a text for; there are no options that could tell for parameters of rclpy."""
    return yaml.safe_load(value) if isinstance(value, str) else value
