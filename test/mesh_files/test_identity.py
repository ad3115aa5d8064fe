"""What is loaded and saved and loaded again is the same, whatever the shape, paint, unit, place and format."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from painted_boxes import png
from PIL import Image

from pose_tracker_ros.object_description import METRES_PER_UNIT
from pose_tracker_ros.object_files import write_mesh
from pose_tracker_ros.objects import load_mesh

SHAPES = {
    "box": lambda: trimesh.creation.box((1.0, 0.7, 0.4)),
    "ball": lambda: trimesh.creation.icosphere(1, 0.5),
    "prism": lambda: trimesh.creation.cylinder(0.4, 1.0, sections=7),
    "ring": lambda: trimesh.creation.annulus(0.2, 0.5, 0.3, sections=9),
    "two": lambda: trimesh.util.concatenate(
        [trimesh.creation.box((0.5, 0.5, 0.2)), trimesh.creation.icosphere(1, 0.2).apply_translation([0, 0, 0.3])]
    ),
}
PAINTS = {
    ".obj": ("none", "vertices", "texture", "materials"),
    ".ply": ("none", "vertices", "faces"),
    ".stl": ("none",),
    ".off": ("none",),
    ".glb": ("none", "vertices", "texture"),
    ".gltf": ("none", "vertices", "texture"),
}


def write_obj(path, shape, paint, random):
    colors = random.uniform(0, 1, (len(shape.vertices), 3))
    rows = [" ".join(f"{value:.9g}" for value in vertex) for vertex in shape.vertices]
    if paint == "vertices":
        rows = [f"{row} {r:.4f} {g:.4f} {b:.4f}" for row, (r, g, b) in zip(rows, colors)]
    lines = ["mtllib part.mtl"] * (paint in ("texture", "materials")) + [f"v {row}" for row in rows]
    textured = paint in ("texture", "materials")
    if textured:
        lines += [f"vt {u:.6f} {v:.6f}" for u, v in random.uniform(-2, 3, (len(rows), 2))]
        path.with_name("t.png").write_bytes(png(np.uint8(random.integers(0, 255, (5, 9, 3)))))
        path.with_suffix(".mtl").write_text("newmtl a\nmap_Kd t.png\nnewmtl b\nKd 0.9 0.2 0.1\n")
    for number, face in enumerate(shape.faces):
        if textured and number in (0, len(shape.faces) // 2):
            lines.append("usemtl a" if number == 0 or paint == "texture" else "usemtl b")
        lines.append("f " + " ".join(f"{k + 1}/{k + 1}" if textured else f"{k + 1}" for k in face))
    path.write_text("\n".join(lines))


def write(path, shape, paint, random):
    if path.suffix == ".obj":
        write_obj(path, shape, paint, random)
        return
    if paint == "vertices":
        shape.visual.vertex_colors = random.integers(0, 255, (len(shape.vertices), 4)).astype(np.uint8)
    elif paint == "faces":
        shape.visual.face_colors = random.integers(0, 255, (len(shape.faces), 4)).astype(np.uint8)
    elif paint == "texture":
        image = Image.fromarray(np.uint8(random.integers(0, 255, (6, 4, 3))))
        material = trimesh.visual.material.PBRMaterial(baseColorTexture=image)
        uv = random.uniform(-2, 3, (len(shape.vertices), 2))
        shape.visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    if path.suffix == ".gltf":
        for name, data in trimesh.exchange.gltf.export_gltf(trimesh.Scene(shape)).items():
            (path if name.endswith(".gltf") else path.with_name(name)).write_bytes(data)
    elif path.suffix == ".ply":
        shape.export(path, encoding="ascii" if random.integers(2) else "binary")
    else:
        shape.export(path)


@pytest.mark.parametrize(("suffix", "paint"), [(suffix, paint) for suffix, paints in PAINTS.items() for paint in paints])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.sampled_from(sorted(SHAPES)),
    unit=st.sampled_from(sorted(METRES_PER_UNIT)),
    size_m=st.floats(0.01, 4.0),
    distance=st.floats(0, 100),
    seed=st.integers(0, 1000),
)
def test_loading_what_was_saved_is_the_identity(tmp_path, suffix, paint, shape, unit, size_m, distance, seed):
    random = np.random.default_rng(seed)
    body = SHAPES[shape]()
    body.apply_transform(trimesh.transformations.random_rotation_matrix(random.uniform(size=3)))
    body.apply_translation(random.normal(size=3) * distance)
    body.apply_scale(size_m / METRES_PER_UNIT[unit])
    path = tmp_path / f"part{suffix}"
    write(path, body, paint, random)
    first = load_mesh(path, unit)
    assert first.has_color == (paint != "none") and first.notes == ()
    assert len(first.faces) == len(body.faces)
    # Formats have six digits or single precision.
    precision = 1e-5 * max(1.0, distance) * size_m
    assert np.ptp(first.vertices, axis=0) == pytest.approx(np.ptp(body.vertices, axis=0) * METRES_PER_UNIT[unit], abs=precision)
    write_mesh(first, tmp_path / "saved.glb")
    second = load_mesh(tmp_path / "saved.glb")
    for name in ("vertices", "faces", "normals", "vertex_colors", "uv", "texture"):
        before, after = getattr(first, name), getattr(second, name)
        assert (before is None) == (after is None), name
        assert before is None or np.array_equal(before, after), name
