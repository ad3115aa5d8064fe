"""A simulated or recorded camera, the tracker, and RViz if asked for."""

import os

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, PythonExpression
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from pose_tracker_ros.nodes.camera_options import CameraOptions
from pose_tracker_ros.nodes.launch_arguments import (
    AS_THE_FILE_SAYS,
    NO,
    YES,
    LaunchArgument,
    arguments_of,
    check_settings,
    given_settings,
    switch,
)
from pose_tracker_ros.nodes.tracker_options import TrackerOptions

CAMERA = "camera/camera"
OF_CAMERA = ("object", "source", "scene", "rate_hz", "loop")
OF_TRACKER = ("objects", "depth", "network", "mesh_path", "mesh_unit")
PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def share(*parts):
    """A file of the installed package."""
    return PathJoinSubstitution([FindPackageShare("pose_tracker_ros"), *parts])


ARGUMENTS = [
    LaunchArgument("namespace", "", "Namespace of the nodes and of all topics but /tf and /diagnostics"),
    *arguments_of(CameraOptions, [name for name in OF_CAMERA if name != "loop"]),
    LaunchArgument("loop", "true", "Begin again at the end; empty: as the camera's parameter file says", [*YES, *NO, AS_THE_FILE_SAYS]),
    *arguments_of(TrackerOptions, OF_TRACKER),
    switch("initializer", False, "Find first poses from the camera's masks instead of being given them"),
    switch("respawn", False, "Start the tracker again when it ends; otherwise its end ends all, with exit code 1"),
    switch("rviz", True, "Start RViz"),
    LaunchArgument("camera_params_file", share("config", "camera.yaml"), "ROS parameter file of the camera node"),
]
PASSED_ON = ("namespace", "object", *OF_TRACKER, "initializer", "respawn", "rviz")


def generate_launch_description():
    """Camera node and the tracker's launch file."""
    tracker = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(share("launch", "tracker.launch.py")),
        launch_arguments={
            **{name: LaunchConfiguration(name) for name in PASSED_ON},
            "camera": CAMERA,
            "mask_topic": f"{CAMERA}/camera/mask",
            **{topic: first_poses(topic) for topic in ("initial_pose_topic", "initial_poses_topic")},
        }.items(),
    )
    # Images of 640x480 don't fit in the middleware's default shared memory.
    profile = [] if set(PROFILES) & set(os.environ) else [SetEnvironmentVariable(PROFILES[0], share("config", "fastdds.xml"))]
    declared = [DeclareLaunchArgument(**one._asdict()) for one in ARGUMENTS]
    # The camera's settings are checked before the tracker is started, and the tracker's before the camera is.
    return LaunchDescription(
        [*declared, *profile, OpaqueFunction(function=check_camera), tracker, OpaqueFunction(function=camera)]
    )


def first_poses(topic):
    """From the camera, which knows the truth, or from the initializer."""
    name = topic.removesuffix("_topic")
    return PythonExpression(
        [f"'tracker/{name}' if '", LaunchConfiguration("initializer"), f"'.lower() == 'true' else '{CAMERA}/camera/{name}'"]
    )


def settings(context):
    """What arguments say of the camera."""
    return given_settings({name: LaunchConfiguration(name).perform(context) for name in OF_CAMERA})


def namespace(context):
    """The camera's."""
    return f"/{LaunchConfiguration('namespace').perform(context).strip('/')}/{CAMERA}".replace("//", "/")


def check_camera(context):
    """Raises OSError or ValueError where an argument or a parameter is wrong."""
    file = LaunchConfiguration("camera_params_file").perform(context)
    check_settings(CameraOptions, f"{namespace(context)}/camera", [file], settings(context))


def camera(context):
    """The camera node, whose fault ends everything; it may end when all is played."""
    node = Node(
        package="pose_tracker_ros",
        executable="camera_node",
        name="camera",
        namespace=namespace(context),
        output="screen",
        parameters=[
            LaunchConfiguration("camera_params_file"),
            {name: ParameterValue(value, value_type=str) for name, value in settings(context).items()},
        ],
    )
    return [node, RegisterEventHandler(OnProcessExit(target_action=node, on_exit=end_with_fault))]


def end_with_fault(event, context):
    """Nobody is to wait for a camera that is not there."""
    if event.returncode and not context.is_shutdown:
        raise RuntimeError(f"the camera ended by itself (exit code {event.returncode}), see what it says above")
