"""Recordings of a camera as rosbag2 writes them, with the small images of dataset_layouts."""

import numpy as np
from dataset_layouts import HEIGHT, WIDTH, K, color_of, depth_m_of
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)
COLOR = "/camera/camera/color/image_raw"
DEPTH = "/camera/camera/aligned_depth_to_color/image_raw"
INFO = "/camera/camera/color/camera_info"


def header(nanoseconds):
    time = STORE.types["builtin_interfaces/msg/Time"](nanoseconds // 10**9, nanoseconds % 10**9)
    return STORE.types["std_msgs/msg/Header"](time, "camera_color_optical_frame")


def info_of(nanoseconds, camera, matrix=None, projection=None, distortion=(0.0,) * 5, model="plumb_bob"):
    """CameraInfo of a PinholeCamera; ``matrix`` K and ``projection`` the first three columns of P, default the camera's."""
    region = STORE.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    k = camera.matrix if matrix is None else matrix
    p = np.hstack([k if projection is None else projection, np.zeros((3, 1))])
    kind = STORE.types["sensor_msgs/msg/CameraInfo"]
    size = (camera.height, camera.width)
    return kind(
        header(nanoseconds), *size, model, np.array(distortion), k.flatten(), np.eye(3).ravel(), p.ravel(), 0, 0, region
    )


def image(nanoseconds, pixels, encoding, padding=0, big_endian=False):
    pixels = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<"))
    rows = pixels.reshape(pixels.shape[0], -1).view(np.uint8)
    data = np.pad(rows, ((0, 0), (0, padding)), constant_values=171)
    size = (pixels.shape[0], pixels.shape[1])
    kind = STORE.types["sensor_msgs/msg/Image"]
    return kind(header(nanoseconds), *size, encoding, int(big_endian), data.shape[1], data.ravel())


def compressed(nanoseconds, data, name):
    kind = STORE.types["sensor_msgs/msg/CompressedImage"]
    return kind(header(nanoseconds), name, np.frombuffer(data, np.uint8))


def camera_info(nanoseconds):
    region = STORE.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    kind = STORE.types["sensor_msgs/msg/CameraInfo"]
    projection = np.hstack([K, np.zeros((3, 1))]).ravel()
    return kind(
        header(nanoseconds),
        HEIGHT,
        WIDTH,
        "plumb_bob",
        np.zeros(5),
        K.flatten(),
        np.eye(3).ravel(),
        projection,
        0,
        0,
        region,
    )


def write_bag(path, messages, plugin=StoragePlugin.MCAP):
    """Write (time of recording in ns, topic, message) triples."""
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        connections = {}
        for time, topic, message in messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, message.__msgtype__, typestore=STORE)
            writer.write(connections[topic], time, STORE.serialize_cdr(message, message.__msgtype__))
    return path


def depth_mm(index):
    return np.round(depth_m_of(index) * 1000).astype(np.uint16)


def plain_messages(count=4):
    """Colour before depth by 3 ms in stamp, and CameraInfo recorded after the first image."""
    for index in range(count):
        time = 10**9 + index * 100_000_000
        yield time, COLOR, image(time, color_of(index % 20), "rgb8")
        yield time + 1, INFO, camera_info(time)
        yield time + 2, DEPTH, image(time + 3_000_000, depth_mm(index), "16UC1")
