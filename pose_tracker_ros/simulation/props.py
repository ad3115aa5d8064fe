"""The objects of a scene: those of models/, of a caller, plain bodies, and look-alikes of the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import trimesh

from pose_tracker_ros.objects import Mesh, ObjectModel, load_object, mesh_with_normals, recolored
from pose_tracker_ros.rendering.protocol import UNKNOWN_COLOR
from pose_tracker_ros.simulation.config import ObjectConfig
from pose_tracker_ros.simulation.surfaces import other_color

# Plain bodies of about unit diameter; they get the target's diameter unless the scene says another size.
BODIES = {
    "box": lambda: trimesh.creation.box(extents=(0.75, 0.5, 0.43)),
    "ball": lambda: trimesh.creation.icosphere(subdivisions=4, radius=0.5),
    "cylinder": lambda: trimesh.creation.cylinder(radius=0.3, height=0.8, sections=64),
}


# Of a plain body that is the target itself.
BODY_DIAMETER_M = 0.15
# Of a texture on fewer triangles than this all is taken to be shown; on more, what is in the triangles' middles.
FEW_FACES = 100


def make_objects(
    configs: tuple[ObjectConfig, ...], models: Mapping[str, ObjectModel], generator: np.random.Generator
) -> list[ObjectModel]:
    """The models of a scene's objects under the names that they have there; the first is the target.

    Raises ValueError for a scene without objects, with two of one name, or with a first one that is to look like itself,
    and FileNotFoundError for unknown models.
    """
    if not configs:
        raise ValueError("expected at least one object in a scene, got none")
    if configs[0].paint != "own" or configs[0].size:
        raise ValueError("expected the first object, whose look-alikes the others are, to keep its own paint and size")
    target = _base_model(configs[0].model, models)
    if configs[0].model in BODIES and configs[0].model not in models:
        target = _scaled(target, BODY_DIAMETER_M / target.diameter_m)
    target = _named(configs[0], target)
    made = [target] + [_look_alike(config, models, target, generator) for config in configs[1:]]
    names = [model.name for model in made]
    if len(set(names)) < len(names):
        raise ValueError(f"expected a name of its own for every object of a scene, got {', '.join(names)}; set name")
    return made


def mean_color(mesh: Mesh) -> np.ndarray:
    """Mean colour (3,), 0..255, of a mesh's surface."""
    if mesh.vertex_colors is not None:
        corners = mesh.vertices[mesh.faces]
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        return np.average(mesh.vertex_colors[mesh.faces].mean(axis=1), axis=0, weights=area)
    if mesh.texture is not None:
        if len(mesh.faces) < FEW_FACES:
            return mesh.texture.reshape(-1, 3).mean(axis=0)
        height, width = mesh.texture.shape[:2]
        middles = mesh.uv[mesh.faces].mean(axis=1)
        columns = np.clip(middles[:, 0] * width, 0, width - 1).astype(int)
        rows = np.clip((1 - middles[:, 1]) * height, 0, height - 1).astype(int)
        return mesh.texture[rows, columns].mean(axis=0)
    return np.full(3, float(UNKNOWN_COLOR))


def _base_model(name: str, models: Mapping[str, ObjectModel]) -> ObjectModel:
    if name in models:
        return models[name]
    if name in BODIES:
        body = BODIES[name]()
        return ObjectModel.from_mesh(name, mesh_with_normals(np.asarray(body.vertices), np.asarray(body.faces)))
    return load_object(name)


def _look_alike(
    config: ObjectConfig, models: Mapping[str, ObjectModel], target: ObjectModel, generator: np.random.Generator
) -> ObjectModel:
    model = _base_model(config.model, models)
    size = config.size or (1.0 if config.model in BODIES else 0.0)
    if size:
        model = _scaled(model, size * target.diameter_m / model.diameter_m)
    if config.paint != "own":
        color = mean_color(target.mesh)
        model = replace(model, mesh=_painted(model.mesh, color if config.paint == "target" else other_color(color, generator)))
    return _named(config, model)


def _named(config: ObjectConfig, model: ObjectModel) -> ObjectModel:
    return replace(model, name=config.name) if config.name else model


def _scaled(model: ObjectModel, factor: float) -> ObjectModel:
    mesh = replace(model.mesh, vertices=(model.mesh.vertices * np.float32(factor)).astype(np.float32))
    discrete = model.discrete_symmetries.copy()
    discrete[:, :3, 3] *= factor
    continuous = tuple(replace(one, offset=one.offset * factor) for one in model.continuous_symmetries)
    return replace(
        model,
        mesh=mesh,
        diameter_m=model.diameter_m * factor,
        discrete_symmetries=discrete,
        continuous_symmetries=continuous,
    )


def _painted(mesh: Mesh, color: np.ndarray) -> Mesh:
    return recolored(mesh, vertex_colors=np.tile(np.uint8(np.clip(color, 0, 255)), (len(mesh.vertices), 1)))
