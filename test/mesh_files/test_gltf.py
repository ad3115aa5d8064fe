"""glTF's rules between the numbers of a file and a colour, seen by a camera."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from painted_boxes import (
    COLORS,
    CORNERS,
    FLOAT,
    I16,
    POSITIONS,
    SIDES,
    TRIANGLES,
    U8,
    U16,
    atlas,
    coordinates,
    png,
    seen_colors,
    textured,
    uv_attribute,
    write_gltf,
)

from pose_tracker_ros import limits
from pose_tracker_ros.geometry import make_pose
from pose_tracker_ros.objects import load_mesh

TEXTURE = (png(atlas()),)


def linear(colors):
    """Of 8-bit sRGB, by the standard's formula."""
    values = np.asarray(colors) / 255.0
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def srgb(light):
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def of_corners(colors):
    return np.repeat(colors, 4, axis=0)


def assert_seen(path, colors, tolerance=1):
    mesh = load_mesh(path)
    assert mesh.notes == ()
    assert np.abs(seen_colors(mesh) - colors).max() <= tolerance


def assert_same_places(one, other):
    for a, b in ((one, other), (other, one)):
        assert np.linalg.norm(a[:, None] - b[None], axis=2).min(axis=1).max() < 1e-6


@pytest.mark.parametrize("name", ["box.glb", "box.gltf"])
def test_a_texture_inside_or_beside_the_file(tmp_path, name):
    assert_seen(write_gltf(tmp_path / name, {"TEXCOORD_0": uv_attribute()}, textured(), TEXTURE), COLORS)


def test_buffers_and_images_may_be_in_the_document(tmp_path):
    path = write_gltf(tmp_path / "box.gltf", {"TEXCOORD_0": uv_attribute()}, textured(), TEXTURE)
    document = json.loads(path.read_text())
    for entry, file in ((document["buffers"][0], "box data.bin"), (document["images"][0], "image 0.png")):
        data = base64.b64encode((tmp_path / file).read_bytes()).decode()
        entry["uri"] = f"data:application/octet-stream;base64,{data}"
        (tmp_path / file).unlink()
    path.write_text(json.dumps(document))
    assert_seen(path, COLORS)


@pytest.mark.parametrize("gone", ["box data.bin", "image 0.png"])
def test_a_missing_companion_is_named(tmp_path, gone):
    path = write_gltf(tmp_path / "box.gltf", {"TEXCOORD_0": uv_attribute()}, textured(), TEXTURE)
    (tmp_path / gone).unlink()
    if gone.endswith(".bin"):
        with pytest.raises(ValueError, match="box%20data.bin"):
            load_mesh(path)
    else:
        mesh = load_mesh(path)
        assert not mesh.has_color and "image%200.png" in mesh.notes[0]


@pytest.mark.parametrize("width", [3, 4])
@pytest.mark.parametrize("kind", [np.float32, np.uint16, np.uint8])
def test_vertex_colours_are_linear_light_in_any_type(tmp_path, kind, width):
    light = np.ones((24, width))
    light[:, :3] = linear(of_corners(COLORS))
    if kind is np.float32:
        entry = (np.float32(light), FLOAT, False)
    else:
        most = np.iinfo(kind).max
        entry = (kind(np.rint(light * most)), U16 if kind is np.uint16 else U8, True)
    # Eight bits of linear light are coarse in the dark.
    assert_seen(write_gltf(tmp_path / "box.glb", {"COLOR_0": entry}), COLORS, tolerance=7 if kind is np.uint8 else 1)


@pytest.mark.parametrize("factor", [(0.4, 0.4, 0.4, 1.0), (1.0, 0.2, 0.05, 1.0), (0.8, 0.8, 0.8, 0.5)])
def test_factors_multiply_textures_in_linear_light(tmp_path, factor):
    material = textured()
    material["pbrMetallicRoughness"]["baseColorFactor"] = factor
    path = write_gltf(tmp_path / "box.glb", {"TEXCOORD_0": uv_attribute()}, material, TEXTURE)
    assert_seen(path, srgb(linear(COLORS) * factor[:3]))


def test_a_factor_alone_is_the_colour(tmp_path):
    material = {"pbrMetallicRoughness": {"baseColorFactor": [0.7, 0.1, 0.0, 1.0]}}
    assert_seen(write_gltf(tmp_path / "box.glb", None, material), np.tile(srgb(np.array([0.7, 0.1, 0.0])), (6, 1)))


def test_factors_multiply_vertex_colours(tmp_path):
    light = np.float32(linear(of_corners(COLORS)))
    material = {"pbrMetallicRoughness": {"baseColorFactor": [0.5, 1.0, 0.25, 1.0]}}
    path = write_gltf(tmp_path / "box.glb", {"COLOR_0": (light, FLOAT, False)}, material)
    assert_seen(path, srgb(linear(COLORS) * [0.5, 1.0, 0.25]))


def test_vertex_colours_multiply_textures(tmp_path):
    tints = np.array([(1, 1, 1), (0.5, 0.5, 0.5), (1, 0, 1), (0.2, 1, 1), (0, 0, 0), (1, 0.5, 0.2)])
    attributes = {"TEXCOORD_0": uv_attribute(), "COLOR_0": (np.float32(of_corners(tints)), FLOAT, False)}
    path = write_gltf(tmp_path / "box.glb", attributes, textured(), TEXTURE)
    assert_seen(path, srgb(linear(COLORS) * tints), tolerance=2)


@pytest.mark.parametrize("name", ["TEXCOORD_1", "TEXCOORD_3"])
def test_the_set_of_coordinates_is_the_one_that_the_material_names(tmp_path, name):
    attributes = {f"TEXCOORD_{k}": uv_attribute(np.zeros((24, 2))) for k in range(4)} | {name: uv_attribute()}
    assert_seen(write_gltf(tmp_path / "box.glb", attributes, textured(texCoord=int(name[-1])), TEXTURE), COLORS)


@pytest.mark.parametrize(
    ("offset", "rotation", "scale"), [((0.2, -0.4), 0.0, (1, 1)), ((0, 0), 0.0, (3, -0.5)), ((0.1, 0.7), 0.6, (2, 0.5))]
)
def test_coordinates_are_transformed_as_the_extension_says(tmp_path, offset, rotation, scale):
    """Turned counter-clockwise as one looks at an image, whose rows run downwards."""
    c, s = np.cos(rotation), np.sin(rotation)
    matrix = np.array([[c, s], [-s, c]]) * scale
    before = (coordinates() - offset) @ np.linalg.inv(matrix).T
    transform = {"offset": offset, "rotation": rotation, "scale": scale, "texCoord": 1}
    attributes = {"TEXCOORD_0": uv_attribute(np.zeros((24, 2))), "TEXCOORD_1": uv_attribute(before)}
    material = textured(extensions={"KHR_texture_transform": transform})
    assert_seen(write_gltf(tmp_path / "box.glb", attributes, material, TEXTURE), COLORS)


@pytest.mark.parametrize("normalized", [True, False])
def test_quantised_positions_and_coordinates(tmp_path, normalized):
    """As gltfpack writes them: integers that a node and a transform of the texture scale back."""
    scale = 0.04 / 2047
    positions = np.int16(np.rint(POSITIONS / scale))
    uv = np.uint16(np.rint(coordinates() * (65535 if normalized else 4095)))
    step = 1.0 if normalized else 1 / 4095
    material = textured(extensions={"KHR_texture_transform": {"scale": [step, step]}})
    size = scale * (32767 if normalized else 1)
    path = write_gltf(
        tmp_path / "box.glb",
        {"POSITION": (positions, I16, normalized), "TEXCOORD_0": (uv, U16, normalized)},
        material,
        TEXTURE,
        nodes=[{"children": [1], "translation": [0.01, 0, 0]}, {"mesh": 0, "scale": [size] * 3}],
        extensionsRequired=["KHR_mesh_quantization"],
    )
    assert_seen(path, COLORS)
    assert np.ptp(load_mesh(path).vertices, axis=0) == pytest.approx([0.08, 0.06, 0.04], rel=1e-3)


@pytest.mark.parametrize(("mode", "shift"), [(10497, 3.0), (33648, 2.0), (33648, -4.0)])
def test_textures_repeat_as_their_sampler_says(tmp_path, mode, shift):
    uv = coordinates() + [shift, 0]
    document = {"samplers": [{"wrapS": mode, "wrapT": mode}], "textures": [{"source": 0, "sampler": 0}]}
    path = write_gltf(tmp_path / "box.glb", {"TEXCOORD_0": uv_attribute(uv)}, textured(), TEXTURE, **document)
    assert_seen(path, COLORS)
    if mode == 33648:
        mirrored = np.column_stack([-coordinates()[:, 0], coordinates()[:, 1]])
        assert_seen(write_gltf(path, {"TEXCOORD_0": uv_attribute(mirrored)}, textured(), TEXTURE, **document), COLORS)


def packed(path, arrays):
    """Put arrays into the file's buffer as views of their own; gives the views' numbers."""
    document = json.loads(path.read_text())
    data = bytearray((path.parent / "box data.bin").read_bytes())
    numbers = []
    for array in arrays:
        data += bytes(-len(data) % 4)
        numbers.append(len(document["bufferViews"]))
        document["bufferViews"].append({"buffer": 0, "byteOffset": len(data), "byteLength": array.nbytes})
        data += array.tobytes()
    document["buffers"][0]["byteLength"] = len(data)
    (path.parent / "box data.bin").write_bytes(data)
    return document, numbers


def test_attributes_may_lie_between_each_other(tmp_path):
    path = write_gltf(tmp_path / "box.gltf", {"TEXCOORD_0": uv_attribute()}, textured(), TEXTURE)
    rows = np.zeros(24, [("position", "<f4", 3), ("other", "<u4"), ("uv", "<f4", 2)])
    rows["position"], rows["uv"], rows["other"] = POSITIONS, coordinates(), 0xFFFFFFFF
    document, (view,) = packed(path, [rows])
    document["bufferViews"][view]["byteStride"] = 24
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    for name, offset in (("POSITION", 0), ("TEXCOORD_0", 16)):
        document["accessors"][attributes[name]] |= {"bufferView": view, "byteOffset": offset}
    path.write_text(json.dumps(document))
    assert_seen(path, COLORS)


@pytest.mark.parametrize("base", [True, False])
@pytest.mark.parametrize(("kind", "component"), [(np.uint8, 5121), (np.uint16, 5123), (np.uint32, 5125)])
def test_rows_of_sparse_accessors_are_replaced(tmp_path, base, kind, component):
    """Of positions that are wrong without them, or nought."""
    positions = np.float32(POSITIONS)
    positions[::2] += 5
    attributes = {"POSITION": (positions, FLOAT, False), "TEXCOORD_0": uv_attribute()}
    path = write_gltf(tmp_path / "box.gltf", attributes, textured(), TEXTURE)
    rows = np.arange(0, 24, 2 if base else 1).astype(kind)
    document, (indices, values) = packed(path, [rows, np.float32(POSITIONS)[rows]])
    accessor = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
    if not base:
        del accessor["bufferView"]
    accessor["sparse"] = {
        "count": len(rows), "indices": {"bufferView": indices, "componentType": component}, "values": {"bufferView": values},
    }  # fmt: skip
    path.write_text(json.dumps(document))
    assert_seen(path, COLORS)


@pytest.mark.parametrize("chosen", [None, 0, 1])
def test_of_several_scenes_the_one_that_is_named_is_read(tmp_path, chosen):
    nodes = [{"mesh": 0}, {"mesh": 0, "scale": [2, 2, 2]}, {"mesh": 0, "translation": [9, 0, 0]}]
    path = write_gltf(tmp_path / "box.gltf", {"TEXCOORD_0": uv_attribute()}, textured(), TEXTURE, nodes=nodes)
    document = json.loads(path.read_text()) | {"scenes": [{"nodes": [0]}, {"nodes": [1]}]}
    document.pop("scene")
    path.write_text(json.dumps(document | ({} if chosen is None else {"scene": chosen})))
    assert np.ptp(load_mesh(path).vertices, axis=0) == pytest.approx(np.ptp(CORNERS, axis=0) * (2 if chosen else 1))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (0.2, 4.0), (-0.5, 0.5)])
def test_borders_go_on_where_the_sampler_says_so(tmp_path, axis, low, high):
    """A side whose coordinates run over the borders of a texture of two colours, looked up as a renderer of glTF would."""
    corners = np.array([(0.5, 0.5)] * 4)
    corners[:, axis] = [low, high, high, low]
    uv = np.tile(corners, (6, 1))
    pixels = np.full((64, 64, 3), 40, np.uint8)
    (pixels if axis == 0 else pixels.swapaxes(0, 1))[:, 32:] = 200
    document = {"samplers": [{"wrapS": 33071, "wrapT": 33071}], "textures": [{"source": 0, "sampler": 0}]}
    path = write_gltf(tmp_path / "box.glb", {"TEXCOORD_0": uv_attribute(uv)}, textured(), (png(pixels),), **document)
    mesh = load_mesh(path)
    weights = np.random.default_rng(0).dirichlet([1, 1, 1], 300)
    there = uv[TRIANGLES[0]][:, axis]
    truth = np.where(np.clip(weights @ there, 0, 1) > 0.5, 200, 40)
    found = weights @ mesh.uv[mesh.faces[0]].astype(float)
    height, width = mesh.texture.shape[:2]
    seen = mesh.texture[((1 - found[:, 1]) % 1 * height).astype(int), (found[:, 0] % 1 * width).astype(int), 0]
    assert np.mean(seen != truth) < 0.02


@pytest.mark.parametrize("mode", [33648, 33071])
def test_large_textures_that_go_on_are_saved_as_they_are_read(tmp_path, monkeypatch, mode):
    monkeypatch.setattr(limits, "TEXTURE_SIDE_PX", 128)
    document = {"samplers": [{"wrapS": mode, "wrapT": mode}], "textures": [{"source": 0, "sampler": 0}]}
    uv = np.clip(coordinates() * 3 - 1, -1, 2)
    path = write_gltf(tmp_path / "box.glb", {"TEXCOORD_0": uv_attribute(uv)}, textured(), (png(np.tile(atlas(), (2, 1, 1))),), **document)
    assert max(load_mesh(path).texture.shape) <= 128


@pytest.mark.parametrize("place", ["mesh", "node"])
@pytest.mark.parametrize("weights", [[0.5, 0.0], [1.0, -1.0], [0, 0]])
def test_morph_targets_are_where_their_weights_put_them(tmp_path, place, weights):
    targets = np.random.default_rng(1).normal(0, 0.01, (2, *CORNERS.shape))
    attributes = {f"TARGET_{k}": (np.float32(target[np.array(SIDES)].reshape(-1, 3)), FLOAT, False) for k, target in enumerate(targets)}
    path = write_gltf(tmp_path / "box.gltf", {"TEXCOORD_0": uv_attribute()} | attributes, textured(), TEXTURE)
    document = json.loads(path.read_text())
    primitive = document["meshes"][0]["primitives"][0]
    primitive["targets"] = [{"POSITION": primitive["attributes"].pop(f"TARGET_{k}")} for k in range(2)]
    document[{"mesh": "meshes", "node": "nodes"}[place]][0]["weights"] = weights
    path.write_text(json.dumps(document))
    expected = CORNERS + np.einsum("k,kvi->vi", weights, targets)
    assert_same_places(load_mesh(path).vertices, expected)


@pytest.mark.parametrize("scale", [1.0, 0.01])
@pytest.mark.parametrize("bound", [True, False])
def test_vertices_of_skins_follow_their_joints(tmp_path, scale, bound):
    """Two joints below an armature of another unit; the node of the mesh itself does not move it."""
    turn, half = np.radians(40), np.radians(20)
    upper = np.array([[np.cos(turn), -np.sin(turn), 0, 0.03], [np.sin(turn), np.cos(turn), 0, 0], [0, 0, 1, 0.02], [0, 0, 0, 1]])
    armature = np.diag([scale, scale, scale, 1.0])
    binds = np.array([np.eye(4), np.linalg.inv(make_pose(np.eye(3), np.array([0.03, 0, 0.02])))]) if bound else np.array([np.eye(4)] * 2)
    share = np.linspace(0, 1, 8)[np.array(SIDES).ravel()]
    attributes = {
        "TEXCOORD_0": uv_attribute(),
        "JOINTS_0": (np.tile(np.uint8([0, 1, 0, 0]), (24, 1)), U8, False),
        "WEIGHTS_0": (np.float32(np.column_stack([1 - share, share, 0 * share, 0 * share])), FLOAT, False),
        "BINDS": (np.float32(binds.swapaxes(1, 2).reshape(2, 16)), FLOAT, False),
    }
    nodes = [
        {"children": [1, 2], "scale": [scale] * 3},
        {"mesh": 0, "skin": 0, "translation": [7, 7, 7]},
        {"children": [3]},
        {"translation": [0.03, 0, 0.02], "rotation": [0, 0, np.sin(half), np.cos(half)]},
    ]
    path = write_gltf(tmp_path / "box.gltf", attributes, textured(), TEXTURE, nodes=nodes)
    document = json.loads(path.read_text())
    matrices = document["meshes"][0]["primitives"][0]["attributes"].pop("BINDS")
    document["accessors"][matrices]["type"] = "MAT4"
    document["skins"] = [{"joints": [2, 3]} | ({"inverseBindMatrices": matrices} if bound else {})]
    path.write_text(json.dumps(document))
    joints = [armature, armature @ upper]
    of_corner = np.linspace(0, 1, 8)
    points = np.column_stack([CORNERS, np.ones(8)])
    placed = [points @ (joint @ bind).T for joint, bind in zip(joints, binds)]
    assert_same_places(load_mesh(path).vertices, ((1 - of_corner)[:, None] * placed[0] + of_corner[:, None] * placed[1])[:, :3])


def test_materials_of_the_old_extension_and_other_formats_of_images(tmp_path):
    old = {"extensions": {"KHR_materials_pbrSpecularGlossiness": {"diffuseTexture": {"index": 0}}}}
    assert_seen(write_gltf(tmp_path / "box.glb", {"TEXCOORD_0": uv_attribute()}, old, TEXTURE), COLORS)
    old["extensions"]["KHR_materials_pbrSpecularGlossiness"] = {"diffuseFactor": [0.2, 0.3, 0.4, 1]}
    assert_seen(write_gltf(tmp_path / "box.glb", None, old), np.tile(srgb(np.array([0.2, 0.3, 0.4])), (6, 1)))


@pytest.mark.parametrize(
    "name", ["KHR_draco_mesh_compression", "KHR_texture_basisu", "EXT_meshopt_compression", "ACME_future"]
)
def test_an_extension_that_is_needed_and_not_known_is_named(tmp_path, name):
    path = write_gltf(tmp_path / "box.glb", {"TEXCOORD_0": uv_attribute()}, textured(), TEXTURE, extensionsRequired=[name])
    with pytest.raises(ValueError, match=f"glTF extension {name}"):
        load_mesh(path)


def test_instances_are_not_left_out_without_a_word(tmp_path):
    nodes = [{"mesh": 0, "extensions": {"EXT_mesh_gpu_instancing": {"attributes": {}}}}]
    path = write_gltf(tmp_path / "box.glb", {"TEXCOORD_0": uv_attribute()}, textured(), TEXTURE, nodes=nodes)
    with pytest.raises(ValueError, match="EXT_mesh_gpu_instancing: its copies are instances"):
        load_mesh(path)


def test_a_texture_that_cannot_be_read_is_named_where_it_is_optional(tmp_path):
    textures = [{"extensions": {"KHR_texture_basisu": {"source": 0}}}]
    path = write_gltf(tmp_path / "box.glb", {"TEXCOORD_0": uv_attribute()}, textured(), TEXTURE, textures=textures)
    mesh = load_mesh(path)
    assert not mesh.has_color and "KHR_texture_basisu" in mesh.notes[0]


@pytest.mark.parametrize("node", [{"scale": [-1, 1, 1]}, {"rotation": [0, 0, 0.6, 0.8]}, {"matrix": np.diag([2.0, 2, 2, 1]).T.ravel().tolist()}])
def test_nodes_place_the_mesh_and_mirrors_keep_it_outwards(tmp_path, node):
    path = write_gltf(tmp_path / "box.glb", {"TEXCOORD_0": uv_attribute()}, textured(), TEXTURE, nodes=[{"mesh": 0} | node])
    mesh = load_mesh(path)
    corners = mesh.vertices[mesh.faces].astype(float)
    volume = np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    assert volume == pytest.approx(0.08 * 0.06 * 0.04 * (8 if "matrix" in node else 1), rel=1e-5)
    if "scale" in node:
        assert np.abs(seen_colors(mesh) - COLORS[[1, 0, 2, 3, 4, 5]]).max() <= 1


def test_nodes_that_double_with_every_level_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MESH_NODES", 1000)
    nodes = [{"children": [level + 1] * 2} for level in range(40)] + [{}]
    with pytest.raises(ValueError, match="at most 1,000 nodes of a scene"):
        load_mesh(write_gltf(tmp_path / "box.glb", nodes=nodes))


def test_a_mesh_without_material_has_no_colour(tmp_path):
    assert not load_mesh(write_gltf(tmp_path / "box.glb")).has_color
