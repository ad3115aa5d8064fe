"""The tracker for a camera that runs already, by default a RealSense with aligned depth."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, PythonExpression
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

ARGUMENTS = {
    "object": ("demo_jug", "Object to track: a name in models/ or a folder with object.yaml"),
    "camera": ("/camera/camera", "Namespace of the camera's topics"),
    "color_topic": ([LaunchConfiguration("camera"), "/color/image_raw"], "Colour image"),
    "depth_topic": ([LaunchConfiguration("camera"), "/aligned_depth_to_color/image_raw"], "Depth, registered to colour or not"),
    "info_topic": ([LaunchConfiguration("camera"), "/color/camera_info"], "CameraInfo of the colour image"),
    "depth_info_topic": (
        PythonExpression(["'", LaunchConfiguration("depth_topic"), "'.rsplit('/', 1)[0] + '/camera_info'"]),
        "CameraInfo of the depth image; default that beside it",
    ),
    "initial_pose_topic": ("/tracker/initial_pose", "PoseStamped from which tracking starts"),
    "depth": ("used", "Depth images: required, used, or none, so that no depth topic is needed"),
    "device": ("auto", "Device of the network: auto, cpu, cuda or cuda:N"),
    "mesh_path": ("", "Mesh file instead of the object's own"),
    "mesh_unit": ("", "Unit of mesh_path: m, cm or mm"),
    "weights_path": ("", "Network weights instead of the object's own"),
    "object_frame": ("", "TF frame of the object; empty = its name"),
    "initializer": ("false", "Start the initializer, which finds the first pose under a mask"),
    "mask_topic": ("/segmentation/mask", "Masks for the initializer, with the stamps of their colour images"),
    "method": ("hypotheses", "How the initializer finds the pose: hypotheses, dense_fusion, mask_alignment"),
    "relocalizer": ("false", "Start the relocalizer, which finds the camera in a map and offers lost objects where they rested"),
    "map": ("", "Folder made by pose-tracker map, for the relocalizer"),
    "autostart": ("true", "Configure and activate the initializer; false leaves that to a lifecycle manager"),
    "use_sim_time": ("false", "Take the time from /clock, as for bags"),
    "rviz": ("false", "Start RViz"),
}


def share(*parts):
    """A file of the installed package."""
    return PathJoinSubstitution([FindPackageShare("pose_tracker_ros"), *parts])


def generate_launch_description():
    """Tracker node, and initializer, relocalizer and RViz if asked for."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    declared.append(
        DeclareLaunchArgument(
            "params_file",
            default_value=share("config", "tracker.yaml"),
            description="ROS parameter file of the tracker",
        )
    )
    declared.append(
        DeclareLaunchArgument(
            "initializer_params_file",
            default_value=share("config", "initializer.yaml"),
            description="ROS parameter file of the initializer",
        )
    )
    declared.append(
        DeclareLaunchArgument(
            "relocalizer_params_file",
            default_value=share("config", "relocalizer.yaml"),
            description="ROS parameter file of the relocalizer",
        )
    )
    sim_time = {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}
    images = [
        ("~/color/image", LaunchConfiguration("color_topic")),
        ("~/depth/image", LaunchConfiguration("depth_topic")),
        ("~/color/camera_info", LaunchConfiguration("info_topic")),
        ("~/depth/camera_info", LaunchConfiguration("depth_info_topic")),
    ]
    texts = ("object", "depth", "device", "mesh_path", "mesh_unit", "weights_path", "object_frame")
    tracker = Node(
        package="pose_tracker_ros",
        executable="tracker_node",
        name="tracker",
        output="screen",
        parameters=[
            LaunchConfiguration("params_file"),
            {name: ParameterValue(LaunchConfiguration(name), value_type=str) for name in texts},
            sim_time,
        ],
        remappings=[*images, ("~/initial_pose", LaunchConfiguration("initial_pose_topic"))],
    )
    initializer = LifecycleNode(
        package="pose_tracker_ros",
        executable="initializer_node",
        name="initializer",
        namespace="",
        output="screen",
        parameters=[
            LaunchConfiguration("initializer_params_file"),
            {
                name: ParameterValue(LaunchConfiguration(name), value_type=str)
                for name in ("object", "mesh_path", "mesh_unit", "method")
            },
            {"autostart": ParameterValue(LaunchConfiguration("autostart"), value_type=bool)},
            sim_time,
        ],
        remappings=[
            *images,
            ("~/mask", LaunchConfiguration("mask_topic")),
            ("~/initial_pose", LaunchConfiguration("initial_pose_topic")),
        ],
        condition=IfCondition(LaunchConfiguration("initializer")),
    )
    relocalizer = LifecycleNode(
        package="pose_tracker_ros",
        executable="relocalizer_node",
        name="relocalizer",
        namespace="",
        output="screen",
        parameters=[
            LaunchConfiguration("relocalizer_params_file"),
            {"map": ParameterValue(LaunchConfiguration("map"), value_type=str)},
            {"autostart": ParameterValue(LaunchConfiguration("autostart"), value_type=bool)},
            sim_time,
        ],
        remappings=images,
        condition=IfCondition(LaunchConfiguration("relocalizer")),
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", share("config", "tracker.rviz")],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return LaunchDescription([*declared, tracker, initializer, relocalizer, rviz])
