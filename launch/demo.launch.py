"""A simulated or recorded camera, the tracker, and RViz if asked for."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, PythonExpression
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

ARGUMENTS = {
    "object": ("demo_jug", "Object to track and to simulate"),
    "source": ("simulation", "'simulation', or the path of a sequence or recording"),
    "scene": ("", "What is simulated: a scene file, or SET/OBJECT/SEED of a frozen set; default simulation.*"),
    "rate_hz": ("0.0", "Frames per second; 0 = as recorded"),
    "loop": ("true", "Begin again at the end"),
    "depth": ("used", "Depth images: required, used, or none"),
    "initializer": ("false", "Find the first pose from the camera's mask instead of being given it"),
    "mesh_path": ("", "Mesh file instead of the object's own"),
    "mesh_unit": ("", "Unit of mesh_path: m, cm or mm"),
    "rviz": ("true", "Start RViz"),
}
CAMERA = "/camera/camera"


def share(*parts):
    """A file of the installed package."""
    return PathJoinSubstitution([FindPackageShare("pose_tracker_ros"), *parts])


def generate_launch_description():
    """Camera node and the tracker's launch file."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    kinds = {"object": str, "source": str, "scene": str, "rate_hz": float, "loop": bool}
    camera = Node(
        package="pose_tracker_ros",
        executable="camera_node",
        name="camera",
        namespace=CAMERA,
        output="screen",
        parameters=[
            share("config", "camera.yaml"),
            {name: ParameterValue(LaunchConfiguration(name), value_type=kind) for name, kind in kinds.items()},
        ],
    )
    passed_on = ("object", "depth", "initializer", "mesh_path", "mesh_unit", "rviz")
    tracker = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(share("launch", "tracker.launch.py")),
        launch_arguments={
            **{name: LaunchConfiguration(name) for name in passed_on},
            "camera": CAMERA,
            "mask_topic": f"{CAMERA}/camera/mask",
            "initial_pose_topic": PythonExpression(
                [
                    "'/tracker/initial_pose' if '",
                    LaunchConfiguration("initializer"),
                    f"'.lower() in ('true', '1') else '{CAMERA}/camera/initial_pose'",
                ]
            ),
        }.items(),
    )
    return LaunchDescription([*declared, camera, tracker])
