"""Lifecycle nodes as this package has them: they survive wrong transitions, and give up all that they made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy._rclpy_pybind11 import RCLError
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node

from pose_tracker_ros.nodes.overridable_quality import OverridableQuality


class NotStartedError(ValueError):
    """A node that is to start by itself cannot."""


class ManagedNode(OverridableQuality, LifecycleNode):
    """A lifecycle node that answers a transition which its state does not have with a refusal; rclpy would end it.

    Its classes say in ``_release`` how they give up what they have loaded.
    """

    def __init__(self, name: str, **arguments: Any) -> None:
        super().__init__(name, **arguments)
        self._fault: Exception | None = None
        change_state = self._service_change_state.callback

        def guarded(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
            try:
                return change_state(request, response)
            except RCLError as error:
                self.get_logger().error(f"transition {request.transition.id} refused: {str(error).split(', at ')[0]}")
                response.success = False
                return response

        self._service_change_state.callback = guarded

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give up what was loaded."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give up everything."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a fault in a transition: back to unconfigured, from where it can be started again."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def start_when_spun(self) -> None:
        """Have the node configure and activate itself as soon as it runs; who runs it gets NotStartedError where it cannot."""

        def start() -> None:
            timer.cancel()
            done = TransitionCallbackReturn.SUCCESS
            if self.trigger_configure() != done or self.trigger_activate() != done:
                raise NotStartedError(f"the {self.get_name()} cannot start: {self._fault or 'see above'}") from self._fault

        # The node's own clock may stand still.
        timer = self.create_timer(0.0, start, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _not_configured(self, error: Exception) -> TransitionCallbackReturn:
        """Say why, and stay unconfigured."""
        self._fault = error
        self.get_logger().error(f"cannot configure: {error}")
        return TransitionCallbackReturn.FAILURE

    def destroy_node(self) -> None:
        """Also the services of the life cycle, which rclpy leaves to be heard of until Python collects the node."""
        super().destroy_node()
        self._state_machine = None

    def _release(self) -> None:
        raise NotImplementedError


class Entities:
    """Publishers, subscriptions, services, clients and timers that a node makes from here on, until :meth:`close`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._before = {id(entity) for _, entity in self._all()}
        self._made: list[Any] | None = None

    def close(self) -> None:
        """What is made later is none of these."""
        self._made = self._new()

    def destroy(self) -> None:
        """Take away those that are there still."""
        made = {id(entity) for entity in (self._new() if self._made is None else self._made)}
        for destroy, entity in self._all():
            if id(entity) in made:
                destroy(entity)

    def _new(self) -> list[Any]:
        return [entity for _, entity in self._all() if id(entity) not in self._before]

    def _all(self) -> list[tuple[Callable[[Any], bool], Any]]:
        node = self._node
        kinds = (
            (node.destroy_publisher, node.publishers),
            (node.destroy_subscription, node.subscriptions),
            (node.destroy_service, node.services),
            (node.destroy_client, node.clients),
            (node.destroy_timer, node.timers),
        )
        return [(destroy, entity) for destroy, kind in kinds for entity in kind]
