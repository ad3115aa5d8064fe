"""The objects that the tracker node follows: what is known and published of each, and how they come and go while it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from rclpy.node import Node
from rclpy.service import Service
from std_srvs.srv import Trigger

from pose_tracker_ros.nodes.newest import NewestFirstWorker
from pose_tracker_ros.nodes.object_names import NamedObject
from pose_tracker_ros.nodes.object_publisher import ObjectPublisher, PoseTopics, mesh_marker
from pose_tracker_ros.objects import ObjectModel, load_object
from pose_tracker_ros.tracking import Tracker, TrackerConfig


class FirstObject(NamedTuple):
    """What parameters say of the first object instead of its own folder; empty where they say nothing."""

    mesh_path: str = ""
    mesh_unit: str = ""
    weights_path: str = ""
    frame: str = ""


@dataclass
class FollowedObject:
    """One object: what it is called, its model, what publishes it, and what became of its last first pose."""

    named: NamedObject
    model: ObjectModel
    publisher: ObjectPublisher
    last_start: str = "none yet"


class ObjectSet:
    """Holds a tracker and its objects, by name in the order in which they are wanted.

    What is loaded while others are followed is loaded in a thread of its own.

    tracker: of all objects; failures: why objects that are wanted could not be loaded, by name.
    """

    def __init__(
        self,
        node: Node,
        wanted: Sequence[NamedObject],
        first: FirstObject,
        config: TrackerConfig,
        lock: AbstractContextManager,
        on_reset: Callable[[str], None],
    ) -> None:
        """Load the ``wanted`` objects; raises OSError or ValueError where one cannot be.

        lock: held by whoever steps the tracker, and here while objects change; on_reset: is called with the name of an object
        whose pose is to be forgotten.
        """
        self._node, self._lock, self._on_reset = node, lock, on_reset
        self._first, self._first_name = first, wanted[0].name
        self._wanted = list(wanted)
        self._objects: dict[str, FollowedObject] = {}
        self.failures: dict[str, str] = {}
        self._resets: dict[str, Service] = {}
        models = [self._load_model(one) for one in wanted]
        weights = {self._first_name: Path(first.weights_path)} if first.weights_path else {}
        self.tracker = Tracker.load(models, config, weights)
        self._first_topics = PoseTopics(node, "object_pose", "~/")
        for one, model in zip(wanted, models):
            self._add(one, model, self._topics_of(one))
        self._loader = NewestFirstWorker(self._load_missing, "loading")

    def __getitem__(self, name: str) -> FollowedObject:
        return self._objects[name]

    def __contains__(self, name: str) -> bool:
        return name in self._objects

    @property
    def names(self) -> list[str]:
        """Of the objects that are followed, in the order in which they are wanted."""
        return [one.name for one in list(self._wanted) if one.name in self._objects]

    def all(self) -> list[FollowedObject]:
        """The objects in that order."""
        return [self._objects[name] for name in self.names]

    def want(self, wanted: Sequence[NamedObject]) -> None:
        """Follow these objects and no others: gives up at once those that are not wanted, and loads the missing ones."""
        with self._lock:
            self._wanted = list(wanted)
            self.failures.clear()
            named = {one.name: one for one in wanted}
            for name in [name for name, one in self._objects.items() if named.get(name) != one.named]:
                self._remove(name)
            self._connect_first()
        self._loader.put(list(wanted))

    def stop(self) -> None:
        """Stop the thread."""
        self._loader.stop()

    def _load_missing(self, wanted: list[NamedObject]) -> None:
        for one in wanted:
            if one.name in self._objects:
                continue
            try:
                model = self._load_model(one)
                loaded = self.tracker.load_others([model])
            # Any other would end the thread, and with it the coming of further objects.
            except Exception as error:
                known = isinstance(error, (OSError, ValueError, RuntimeError))
                text = str(error) if known else f"a fault of the tracker, please report it: {error!r}"
                self.failures[one.name] = text
                self._node.get_logger().error(f"{one.name!r} is not followed: {text}")
                continue
            topics = self._topics_of(one)
            with self._lock:
                if one not in self._wanted:
                    topics.close()
                    continue
                self.tracker.adopt(loaded)
                self._add(one, model, topics)
            self._node.get_logger().info(f"{one.name!r} is followed, too, as soon as there is a first pose")

    def _load_model(self, named: NamedObject) -> ObjectModel:
        mesh = (self._first.mesh_path or None, self._first.mesh_unit or None) if named.name == self._first_name else ()
        model = replace(load_object(str(named.folder), *mesh), name=named.name)
        for note in model.mesh.notes:
            self._node.get_logger().warning(f"the mesh of {named.name!r}: {note}")
        return model

    def _topics_of(self, named: NamedObject) -> PoseTopics:
        """Made before the lock is taken, since that takes longer than a frame."""
        return PoseTopics(self._node, f"~/{named.topic}/pose", f"~/{named.topic}/")

    def _add(self, named: NamedObject, model: ObjectModel, topics: PoseTopics) -> None:
        is_first = named.name == self._first_name
        frame = (self._first.frame if is_first else "") or named.name
        mesh = (self._first.mesh_path, self._first.mesh_unit) if is_first else ()
        publisher = ObjectPublisher(frame, mesh_marker(model, frame, *mesh), topics)
        self._objects[named.name] = FollowedObject(named, model, publisher)
        self._resets[named.name] = self._node.create_service(Trigger, f"~/{named.topic}/reset", self._reset_of(named.name))
        self._connect_first()
        publisher.publish_forgotten("waiting for a first pose")

    def _remove(self, name: str) -> None:
        self.tracker.remove(name)
        self._objects.pop(name).publisher.close()
        self._node.destroy_service(self._resets.pop(name))

    def _connect_first(self) -> None:
        """The first object is also published on the node's own topics."""
        for number, one in enumerate(self.all()):
            one.publisher.publish_also_on(self._first_topics if number == 0 else None)

    def _reset_of(self, name: str) -> Callable[[Trigger.Request, Trigger.Response], Trigger.Response]:
        def reset(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            self._on_reset(name)
            response.success, response.message = True, f"pose of {name!r} forgotten; waiting for a first pose"
            return response

        return reset
