"""The tracker for a camera that runs already, by default a RealSense with aligned depth."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, PythonExpression
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from pose_tracker_ros.nodes.initializer_options import InitializerOptions
from pose_tracker_ros.nodes.launch_arguments import (
    YES,
    LaunchArgument,
    arguments_of,
    check_settings,
    given_settings,
    misspelt,
    switch,
)
from pose_tracker_ros.nodes.relocalizer_options import RelocalizerOptions
from pose_tracker_ros.nodes.tracker_options import TrackerOptions


def share(*parts):
    """A file of the installed package."""
    return PathJoinSubstitution([FindPackageShare("pose_tracker_ros"), *parts])


OF_TRACKER = (
    "object",
    "objects",
    "target_frame",
    "depth",
    "network",
    "device",
    "mesh_path",
    "mesh_unit",
    "weights_path",
    "object_frame",
    "autostart",
)
# Those that the tracker has, too, have one argument for both.
OF_INITIALIZER = ("object", "objects", "mesh_path", "mesh_unit", "autostart", "method")
OF_RELOCALIZER = ("map", "camera_pose", "map_frame", "base_frame", "autostart")
CAMERA = LaunchConfiguration("camera")
ARGUMENTS = [
    LaunchArgument("namespace", "", "Namespace of the nodes and of all topics but /tf and /diagnostics"),
    *arguments_of(TrackerOptions, OF_TRACKER),
    LaunchArgument("camera", "camera/camera", "Namespace of the camera's topics, below namespace unless it begins with /"),
    LaunchArgument("color_topic", [CAMERA, "/color/image_raw"], "Colour image"),
    LaunchArgument("depth_topic", [CAMERA, "/aligned_depth_to_color/image_raw"], "Depth, registered to colour or not"),
    LaunchArgument("info_topic", [CAMERA, "/color/camera_info"], "CameraInfo of the colour image"),
    LaunchArgument(
        "depth_info_topic",
        PythonExpression(["'", LaunchConfiguration("depth_topic"), "'.rsplit('/', 1)[0] + '/camera_info'"]),
        "CameraInfo of the depth image; default that beside it",
    ),
    LaunchArgument("initial_pose_topic", "tracker/initial_pose", "PoseStamped from which tracking of the first object starts"),
    LaunchArgument(
        "initial_poses_topic", "tracker/initial_poses", "Detection3DArray from which tracking starts; ids name the objects"
    ),
    switch("initializer", False, "Start the initializer, which finds first poses under masks"),
    *arguments_of(InitializerOptions, ["method"]),
    LaunchArgument(
        "mask_topic", "segmentation/mask", "Masks for the initializer, with the stamps of their colour images"
    ),
    switch("relocalizer", False, "Start the relocalizer, which finds the camera in a map and offers lost objects where they rested"),
    *arguments_of(RelocalizerOptions, OF_RELOCALIZER[:-1]),
    switch("use_sim_time", False, "Take the time from /clock, as for bags"),
    switch("respawn", False, "Start a node again that ends; otherwise the end of one ends all, with exit code 1"),
    switch("rviz", False, "Start RViz"),
    LaunchArgument("params_file", share("config", "tracker.yaml"), "ROS parameter file of the tracker"),
    LaunchArgument("initializer_params_file", share("config", "initializer.yaml"), "ROS parameter file of the initializer"),
    LaunchArgument("relocalizer_params_file", share("config", "relocalizer.yaml"), "ROS parameter file of the relocalizer"),
]


def generate_launch_description():
    """Tracker node, and initializer, relocalizer and RViz if asked for."""
    return LaunchDescription([*(DeclareLaunchArgument(**one._asdict()) for one in ARGUMENTS), OpaqueFunction(function=nodes)])


def nodes(context):
    """What is to be started; raises OSError or ValueError before anything is where an argument or a parameter is wrong."""
    said = {one.name: LaunchConfiguration(one.name).perform(context) for one in ARGUMENTS}
    for warning in misspelt(context.launch_configurations, said):
        get_logger("launch").warning(warning)
    tracker = node(said, "tracker", TrackerOptions, OF_TRACKER, said["params_file"])
    actions = [*tracker, rviz(said["namespace"])]
    if said["initializer"] in YES:
        actions += node(said, "initializer", InitializerOptions, OF_INITIALIZER, said["initializer_params_file"])
    if said["relocalizer"] in YES:
        actions += node(said, "relocalizer", RelocalizerOptions, OF_RELOCALIZER, said["relocalizer_params_file"])
    return actions


def node(said, name, options, names, params_file):
    """The action that starts a node whose settings were checked, and what becomes of its end."""
    settings = given_settings({one: said[one] for one in names if one in said})
    check_settings(options, f"/{said['namespace'].strip('/')}/{name}".replace("//", "/"), [params_file], settings)
    topics = {
        "~/color/image": "color_topic",
        "~/depth/image": "depth_topic",
        "~/color/camera_info": "info_topic",
        "~/depth/camera_info": "depth_info_topic",
        "~/initial_pose": "initial_pose_topic",
        "~/initial_poses": "initial_poses_topic",
        **({"~/mask": "mask_topic"} if name == "initializer" else {}),
        # Where the tracker listens it is offered lost objects.
        **({"tracker/initial_poses": "initial_poses_topic"} if name == "relocalizer" else {}),
    }
    respawn = said["respawn"] in YES
    action = Node(
        package="pose_tracker_ros",
        executable=f"{name}_node",
        name=name,
        namespace=said["namespace"],
        output="screen",
        # As texts: the node knows of what type its parameters are.
        parameters=[
            params_file,
            {key: ParameterValue(value, value_type=str) for key, value in settings.items()},
            {"use_sim_time": said["use_sim_time"] in YES},
        ],
        remappings=[
            *((topic, said[argument]) for topic, argument in topics.items()),
            ("~/extrinsics", f"{said['camera']}/extrinsics/depth_to_color"),
        ],
        respawn=respawn,
        respawn_delay=2.0,
    )
    return [action] if respawn else [action, all_end_with(action, name)]


def all_end_with(action, name):
    """The end of a node ends everything, with exit code 1: nobody is to wait for a node that is not there."""

    def end(event, context):
        if not context.is_shutdown:
            raise RuntimeError(f"the {name} ended by itself (exit code {event.returncode}), see what it says above")

    return RegisterEventHandler(OnProcessExit(target_action=action, on_exit=end))


def rviz(namespace):
    """RViz, if it is asked for."""
    return Node(
        package="rviz2",
        executable="rviz2",
        namespace=namespace,
        arguments=["-d", share("config", "tracker.rviz")],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
