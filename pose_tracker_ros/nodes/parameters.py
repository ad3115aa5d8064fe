"""ROS parameters made from the fields of a configuration dataclass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import Field
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from pose_tracker_ros.configuration import leaves, make_config, refuse_replaced

Config = TypeVar("Config")


def declare_config(node: Node, config_class: type, prefix: str = "") -> None:
    """Declare every option as a parameter ``prefix + name`` with its description, range and default.

    Raises ValueError for overrides of options that are no more, which rclpy would pass over in silence.
    """
    for name, item in leaves(config_class, prefix):
        node.declare_parameter(name, item.default, _descriptor(item))
    replaced = getattr(config_class, "REPLACED", {})
    refuse_replaced(config_class, [name for name in replaced if _is_given(node, prefix + name)])


def config_from_parameters(
    node: Node, config_class: type[Config], prefix: str = "", changed: Sequence[Parameter] = ()
) -> Config:
    """The configuration that the node's parameters say, with ``changed`` ones on top.

    Raises ValueError for values out of range.
    """
    values = {name: node.get_parameter(prefix + name).value for name, _ in leaves(config_class)}
    values.update({p.name.removeprefix(prefix): p.value for p in changed if p.name.removeprefix(prefix) in values})
    return make_config(config_class, values)


def apply_changes(node: Node, config_class: type[Config], apply: Callable[[Config], None]) -> None:
    """Have parameter changes checked and applied; a change that is refused gets the reason as answer."""

    def on_change(changed: list[Parameter]) -> SetParametersResult:
        try:
            apply(config_from_parameters(node, config_class, changed=changed))
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(on_change)


def declare(node: Node, name: str, default: Any, description: str) -> Any:
    """Declare a read-only parameter and return its value."""
    descriptor = ParameterDescriptor(description=description, read_only=True)
    return node.declare_parameter(name, default, descriptor).value


def declare_changeable(node: Node, name: str, default: Any, description: str) -> Any:
    """Declare a parameter that may change while the node runs, and return its value."""
    return node.declare_parameter(name, default, ParameterDescriptor(description=description)).value


def _is_given(node: Node, name: str) -> bool:
    """Whether somebody gives a value for a parameter that the node does not have."""
    value = node.declare_parameter(name, None, ParameterDescriptor(dynamic_typing=True)).value
    node.undeclare_parameter(name)
    return value is not None


def _descriptor(item: Field) -> ParameterDescriptor:
    description = item.metadata["description"]
    if item.metadata.get("choices"):
        description += f" (one of {', '.join(item.metadata['choices'])})"
    descriptor = ParameterDescriptor(
        description=description,
        read_only=bool(item.metadata.get("read_only")),
        # The configuration names the choices to a value of another type; rclpy would name the type alone.
        dynamic_typing=bool(item.metadata.get("choices")),
    )
    minimum, maximum = item.metadata.get("minimum"), item.metadata.get("maximum")
    if minimum is not None and maximum is not None and not isinstance(item.default, bool):
        if isinstance(item.default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(minimum), to_value=int(maximum), step=1)]
        elif isinstance(item.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(minimum), to_value=float(maximum))]
    return descriptor
