"""Where the vertices of glTF meshes are before any animation: nodes, morph targets at their weights, skins on their joints.

Rules: the glTF 2.0 specification, sections 3.5.3 (transforms), 3.7.2.2 (morph targets) and 3.7.3 (skins).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pose_tracker_ros.mesh_files.gltf_buffers import Buffers

DEEPEST = 64


def transform_of(node: dict[str, Any]) -> np.ndarray:
    """Transform (4, 4) of a node to the one above it. Raises ValueError where it is not finite."""
    if "matrix" in node:
        matrix = np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    else:
        x, y, z, w = np.array(node.get("rotation", (0, 0, 0, 1)), dtype=np.float64)
        length = x * x + y * y + z * z + w * w
        s = 2.0 / length if length > 0 else 0.0
        matrix = np.eye(4)
        matrix[:3, :3] = [
            [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
            [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)],
            [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)],
        ]
        matrix[:3, :3] *= np.array(node.get("scale", (1, 1, 1)), dtype=np.float64)
        matrix[:3, 3] = node.get("translation", (0, 0, 0))
    if not np.all(np.isfinite(matrix)):
        raise ValueError("expected finite transforms of nodes")
    return matrix


def morphed(positions: np.ndarray, targets: list[dict[str, int]], weights: list[float], buffers: Buffers) -> np.ndarray:
    """Positions (V, 3) with the displacements of morph targets times their weights."""
    for target, weight in zip(targets, weights):
        if weight and "POSITION" in target:
            positions = positions + float(weight) * buffers.accessor(target["POSITION"], (len(positions), 3))
    return positions


class Skins:
    """The skins of a document: how vertices follow the nodes that are their joints."""

    def __init__(self, document: dict[str, Any], buffers: Buffers) -> None:
        self._document, self._buffers = document, buffers
        self._above = {child: index for index, node in enumerate(document.get("nodes", [])) for child in node.get("children", [])}

    def blended(self, skin: int, attributes: dict[str, int], count: int) -> np.ndarray:
        """Transforms (V, 4, 4) of ``count`` vertices from the mesh to the scene."""
        entry = self._document["skins"][skin]
        joints = [self._placed(joint) for joint in entry["joints"]]
        if "inverseBindMatrices" in entry:
            columns = self._buffers.accessor(entry["inverseBindMatrices"])
            if columns.shape[1] != 16 or len(columns) < len(joints):
                raise ValueError("expected an inverse bind matrix of every joint of a skin")
            joints = [joint @ matrix.reshape(4, 4).T for joint, matrix in zip(joints, columns)]
        # Vertices of no weight at all stay where they are.
        total, blended = np.zeros(count), np.zeros((count, 4, 4))
        for number in range(len(attributes)):
            if f"JOINTS_{number}" not in attributes:
                break
            of_joint = self._buffers.accessor(attributes[f"JOINTS_{number}"], (count, 4)).astype(np.int64)
            weights = self._buffers.accessor(attributes[f"WEIGHTS_{number}"], (count, 4))
            if of_joint.size and not of_joint.max() < len(joints):
                raise ValueError(f"a vertex follows joint {of_joint.max()} of a skin that has {len(joints)}; export it again")
            for corner in range(4):
                blended += weights[:, corner, None, None] * np.array(joints)[of_joint[:, corner]]
                total += weights[:, corner]
        followed = total > 0
        blended[followed] /= total[followed, None, None]
        blended[~followed] = np.eye(4)
        return blended

    def _placed(self, node: int) -> np.ndarray:
        """Transform (4, 4) of a node to the scene."""
        transform = transform_of(self._document["nodes"][node])
        for _ in range(DEEPEST):
            if node not in self._above:
                return transform
            node = self._above[node]
            transform = transform_of(self._document["nodes"][node]) @ transform
        raise ValueError("expected a tree of nodes, but they are nested in a circle or too deep")
