"""What colcon and pip install of pose_tracker_ros, and where."""

import sys
from pathlib import Path

from setuptools import find_packages, setup

NAME = "pose_tracker_ros"


def share_files() -> list[tuple[str, list[str]]]:
    """Files of share/, as (folder, files): package.xml, the index marker, launch/, config/ and models/ with subfolders."""
    share = Path("share", NAME)
    folders = {
        "share/ament_index/resource_index/packages": [f"resource/{NAME}"],
        str(share): ["package.xml"],
    }
    for top in ("launch", "config", "models"):
        for path in sorted(Path(top).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                folders.setdefault(str(share / path.parent), []).append(str(path))
    return list(folders.items())


setup(
    name=NAME,
    version="0.1.0",
    description="Tracks the 6D pose of a known rigid object in RGB-D images at camera rate",
    license="Apache-2.0",
    maintainer="pose_tracker_ros maintainers",
    maintainer_email="pose-tracker-ros@example.org",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={"": ["*.yaml"]},
    # An editable install uses these files where they are: copies would go stale.
    data_files=[] if "editable_wheel" in sys.argv else share_files(),
    install_requires=["setuptools"],
    # By which colcon test knows that there are tests for pytest.
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    entry_points={
        "console_scripts": [
            f"pose-tracker = {NAME}.entry:main",
            f"tracker_node = {NAME}.nodes.start:tracker",
            f"initializer_node = {NAME}.nodes.start:initializer",
            f"relocalizer_node = {NAME}.nodes.start:relocalizer",
            f"camera_node = {NAME}.nodes.start:camera",
        ],
    },
)
