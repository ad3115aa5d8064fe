"""The initializer: a lifecycle node that turns segmentation masks into the tracker's first poses."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2DArray, Detection3DArray

from pose_tracker_ros.frame import Frame
from pose_tracker_ros.initialization.initializer import Initializer, initialize
from pose_tracker_ros.initialization.observation import InitializationError, InitialPose
from pose_tracker_ros.nodes import messages
from pose_tracker_ros.nodes.camera_subscriber import CameraSubscriber
from pose_tracker_ros.nodes.detections import detection
from pose_tracker_ros.nodes.frames import RgbdMessages
from pose_tracker_ros.nodes.initializer_options import InitializerOptions
from pose_tracker_ros.nodes.managed_node import Entities, ManagedNode
from pose_tracker_ros.nodes.newest import NewestFirstWorker
from pose_tracker_ros.nodes.object_names import named_objects
from pose_tracker_ros.nodes.object_topics import LATCHED, LATCHED_OF_EACH
from pose_tracker_ros.nodes.parameters import NodeOptions, config_from_parameters
from pose_tracker_ros.nodes.running import run_node
from pose_tracker_ros.nodes.searched_objects import MaskSource, SearchedObject, identities, load_searched, masks_of

# What says which object is which; may change while the node runs.
IDENTITIES = ("objects", "mask_labels", "detection_classes")
# Images come sooner than that after a mask that was made of them.
LONGEST_AHEAD_S = 1.0
# A search takes both cores of a small computer for half a second, in which what is tracked must not be lost.
NICENESS = 10
# A latched mask of long ago has no images any more, so that only new ones are asked for.
MASKS = QoSProfile(depth=1)


class Request(NamedTuple):
    """Images, and the mask (Image) or the detections (Detection2DArray) that belong to them."""

    images: RgbdMessages
    mask: Any


class InitializerNode(ManagedNode):
    """Finds objects under masks.

    unconfigured: parameters only; inactive: objects, templates and weights are loaded; active: masks are answered.
    A mask may come seconds after its images, as segmentation takes its time: images are kept until then.
    """

    def __init__(self, **arguments: Any) -> None:
        """Declare parameters; with ``autostart`` configure and activate as soon as the node runs.

        Raises OSError or ValueError, in one sentence, when parameters don't fit.
        """
        given = NodeOptions("initializer", InitializerOptions, arguments)
        super().__init__("initializer", **given.arguments)
        self._options = given.declare(self)
        self.add_on_set_parameters_callback(self._check_identities)
        self.add_post_set_parameters_callback(self._change_identities)
        self._lock = threading.Lock()
        self._objects: list[SearchedObject] = []
        self._loaded: dict[Path, Initializer] = {}
        self._worker: NewestFirstWorker | None = None
        self._listening: Entities | None = None
        self._outputs: list[Any] = []
        self._images: deque[RgbdMessages] = deque()
        self._waiting_mask: Any = None
        self._requested = False
        if self._options.autostart:
            self.start_when_spun()

    def destroy_node(self) -> None:
        """Stop the thread, then the node."""
        self._release()
        super().destroy_node()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the objects and what the method needs; says why and stays unconfigured when that fails."""
        try:
            self._options = config_from_parameters(self, InitializerOptions)
            self._objects = self._loaded_objects()
        except (ValueError, OSError) as error:
            return self._not_configured(error)
        self._pose_publisher = self.create_lifecycle_publisher(PoseStamped, "~/initial_pose", LATCHED)
        self._poses_publisher = self.create_lifecycle_publisher(Detection3DArray, "~/initial_poses", LATCHED)
        self._result_publisher = self.create_lifecycle_publisher(DiagnosticStatus, "~/result", LATCHED_OF_EACH)
        self._outputs = [self._pose_publisher, self._poses_publisher, self._result_publisher]
        names = ", ".join(one.name for one in self._objects)
        self.get_logger().info(f"ready to find {names} by {self.get_parameter('method').value}")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen to camera and masks."""
        self._requested = not self._options.on_request
        self._listening = Entities(self)
        self._worker = NewestFirstWorker(self._answer, "initializing", NICENESS)
        self._frames = CameraSubscriber(self, self._options.images, self._on_images, "required").maker
        self.create_subscription(Image, "~/mask", self._on_mask, MASKS)
        self.create_subscription(Detection2DArray, "~/detections", self._on_mask, MASKS)
        self.create_service(Trigger, "~/initialize", self._on_request)
        self.get_logger().info(f"waiting for masks on {self.resolve_topic_name('~/mask')}")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening; what was loaded stays."""
        self._stop_listening()
        return super().on_deactivate(state)

    def _stop_listening(self) -> None:
        if self._worker is not None:
            self._worker.stop()
        if self._listening is not None:
            self._listening.destroy()
        self._worker = self._listening = None
        with self._lock:
            self._images.clear()
            self._waiting_mask = None

    def _release(self) -> None:
        self._stop_listening()
        for publisher in self._outputs:
            self.destroy_lifecycle_publisher(publisher)
        self._outputs = []
        self._objects, self._loaded = [], {}

    def _on_images(self, images: RgbdMessages) -> None:
        stamp = messages.seconds(images.color.header.stamp)
        with self._lock:
            if self._images and stamp < messages.seconds(self._images[-1].color.header.stamp):
                self._images.clear()
            self._images.append(images)
            while stamp - messages.seconds(self._images[0].color.header.stamp) > self._options.keep_s:
                self._images.popleft()
        self._match()

    def _on_mask(self, mask: Any) -> None:
        with self._lock:
            self._waiting_mask = mask
        self._match()

    def _match(self) -> None:
        """Hand the waiting mask with its images to the worker; a mask without any is given up when it is too old."""
        with self._lock:
            mask = self._waiting_mask
            if mask is None or not self._requested or not self._images:
                return
            stamp = messages.seconds(mask.header.stamp)
            slop, newest = self._options.images.sync_slop, messages.seconds(self._images[-1].color.header.stamp)
            nearest = min(self._images, key=lambda images: abs(messages.seconds(images.color.header.stamp) - stamp))
            if abs(messages.seconds(nearest.color.header.stamp) - stamp) <= slop:
                self._waiting_mask = None
                self._requested = not self._options.on_request
            elif stamp < messages.seconds(self._images[0].color.header.stamp):
                self._waiting_mask = None
                nearest = None
            elif stamp > newest + max(self._options.keep_s, LONGEST_AHEAD_S):
                self._waiting_mask = None
                nearest = None
            else:
                return
        if nearest is not None:
            self._worker.put(Request(nearest, mask))
            return
        text = (
            f"mask dropped: there are no images of its stamp {stamp:.3f} s, the newest is of {newest:.3f} s; masks must carry the stamp "
            "of the colour image they were made from, and keep_s must cover the time that segmentation takes"
        )
        self._publish_results({one.name: (None, text) for one in self._objects}, mask.header)

    def _on_request(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._lock:
            self._requested = True
        self._match()
        response.success = True
        response.message = f"the next mask will be answered on {self.resolve_topic_name('~/result')}"
        return response

    def _check_identities(self, changed: Sequence[Parameter]) -> SetParametersResult:
        try:
            options = config_from_parameters(self, InitializerOptions, changed)
            identities(named_objects(options.wanted), options.mask_labels, options.detection_classes)
        except (OSError, ValueError) as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _change_identities(self, changed: Sequence[Parameter]) -> None:
        """Find other objects from now on, if any are found yet."""
        if not self._objects or not {one.name for one in changed}.intersection(IDENTITIES):
            return
        try:
            self._options = config_from_parameters(self, InitializerOptions)
            self._objects = self._loaded_objects()
        except (OSError, ValueError) as error:
            self.get_logger().error(f"objects are what they were: {error}")

    def _loaded_objects(self) -> list[SearchedObject]:
        return load_searched(named_objects(self._options.wanted), self._options, self._loaded)

    def _answer(self, request: Request) -> None:
        """One mask in the worker thread; whatever is wrong with it costs this mask alone."""
        header, objects = request.images.color.header, self._objects
        results: dict[str, tuple[InitialPose | None, str]] = {}
        try:
            frame = self._frames.frame(request.images)
            for one, masks in masks_of(objects, request.mask, frame, self._frames):
                results[one.name] = self._best(one, frame, masks)
        except ValueError as error:
            results = {one.name: (None, str(error)) for one in objects}
        except Exception as error:
            if self.context.ok():
                self.get_logger().error(f"no pose: a fault of the initializer, please report it: {error!r}")
            return
        answers = {one.name: results[one.name][0] for one in objects if one.name in results}
        found = [(one, answers[one.name]) for one in objects if _is_accepted(answers.get(one.name))]
        if found:
            self._publish_poses(found, header)
        self._publish_results(results, header)

    def _best(self, one: SearchedObject, frame: Frame, masks: Sequence[MaskSource]) -> tuple[InitialPose | None, str]:
        """The most probable answer, and what is to be said of it: the fault of the first mask only where all have one."""
        answers, faults = [], []
        for make_mask in masks:
            try:
                answers.append(initialize(one.initializer, frame, make_mask()))
            except InitializationError as error:
                faults.append(str(error))
        if not answers:
            return None, faults[0]
        answer = max(answers, key=lambda answer: answer.score)
        return answer, answer.reason or "found"

    def _publish_poses(self, found: Sequence[tuple[SearchedObject, InitialPose]], header: Header) -> None:
        """The poses of all objects together, and, of the first object, also alone."""
        detections = [
            detection(one.name, one.initializer.model, answer.camera_T_object, header, answer.score)
            for one, answer in found
        ]
        self._publish(self._poses_publisher, Detection3DArray(header=header, detections=detections))
        first, answer = found[0]
        if first is self._objects[0]:
            self._publish(self._pose_publisher, messages.pose_stamped(answer.camera_T_object, header))

    def _publish_results(self, results: Mapping[str, tuple[InitialPose | None, str]], header: Header) -> None:
        for name, (answer, text) in results.items():
            if _is_accepted(answer):
                self.get_logger().info(f"{name!r} found with score {answer.score:.2f} in {answer.seconds:.2f} s")
            else:
                self.get_logger().warning(f"no pose of {name!r}: {text}")
            self._publish(self._result_publisher, self._result(name, answer, text, header))

    def _result(self, name: str, answer: InitialPose | None, text: str, header: Header) -> DiagnosticStatus:
        values = {
            "object": name,
            "stamp": f"{messages.seconds(header.stamp):.9f}",
            "method": self._options.method,
        }
        if answer is not None:
            values |= {
                "score": f"{answer.score:.3f}",
                "seconds": f"{answer.seconds:.3f}",
                "position": " ".join(f"{value:.4f}" for value in answer.camera_T_object[:3, 3]),
            }
        return DiagnosticStatus(
            level=DiagnosticStatus.OK if _is_accepted(answer) else DiagnosticStatus.ERROR,
            name=f"{self.get_fully_qualified_name()}: initialization",
            message=text,
            hardware_id=name,
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )

    def _publish(self, publisher: Any, message: Any) -> None:
        # Deactivated meanwhile: nobody wants the answer any more.
        if self._listening is not None and publisher.is_activated and self.context.ok():
            publisher.publish(message)


def _is_accepted(answer: InitialPose | None) -> bool:
    return answer is not None and answer.accepted


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``ros2 run pose_tracker_ros initializer_node``."""
    run_node("initializer", InitializerNode, arguments)


if __name__ == "__main__":
    main()
