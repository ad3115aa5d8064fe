"""Textures of other pixels than 8-bit RGB, and colours of PLY files under all their names."""

from __future__ import annotations

import io

import numpy as np
import pytest
from painted_boxes import COLORS, POSITIONS, TRIANGLES, atlas, coordinates, png, seen_colors, write_obj
from PIL import Image

from pose_tracker_ros.mesh_files.textures import decode_texture
from pose_tracker_ros.objects import load_mesh

GREYS = np.array([20, 60, 100, 140, 180, 220])


def encoded(image, kind="PNG", **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


@pytest.mark.parametrize(
    ("pixels", "kind"),
    [
        (np.uint16(GREYS * 257).repeat(4).reshape(1, -1), "PNG"),
        (np.uint16(GREYS * 257).repeat(4).reshape(1, -1), "TIFF"),
        (np.float32(GREYS / 255).repeat(4).reshape(1, -1), "TIFF"),
        (np.int32(GREYS * 257).repeat(4).reshape(1, -1), "TIFF"),
        (np.uint8(GREYS).repeat(4).reshape(1, -1), "PNG"),
    ],
)
def test_grey_of_any_depth_is_scaled_to_eight_bits(pixels, kind):
    texture = decode_texture(encoded(Image.fromarray(pixels), kind), "t")
    assert texture.shape == (1, 24, 3)
    assert np.abs(texture[0, ::4].astype(int) - GREYS[:, None]).max() <= 1


@pytest.mark.parametrize("mode", ["P", "RGBA", "CMYK", "LA", "L", "1", "RGB"])
def test_other_modes_are_converted(mode):
    image = Image.fromarray(atlas()).convert(mode)
    texture = decode_texture(encoded(image, "TIFF" if mode == "CMYK" else "PNG"), "t")
    assert np.array_equal(texture, np.array(image.convert("RGB")))


def test_values_out_of_range_are_refused_with_the_name():
    image = Image.fromarray(np.float32([[0.0, 0.5], [1.0, 40.0]]))
    with pytest.raises(ValueError, match="from 0 to 1 in the texture lamp.tif, got 0 to 40"):
        decode_texture(encoded(image, "TIFF"), "lamp.tif")


@pytest.mark.parametrize("mode", ["P", "RGB", "L"])
def test_large_textures_are_reduced_and_look_the_same(tmp_path, mode):
    small = Image.fromarray(atlas())
    small = small.quantize(16) if mode == "P" else small.convert(mode)
    image = small.resize((9216, 6144), Image.Resampling.NEAREST)
    (tmp_path / "t.png").write_bytes(encoded(image, compress_level=1))
    mesh = load_mesh(write_obj(tmp_path / "box.obj", "newmtl paint\nmap_Kd t.png\n"))
    assert mesh.texture.shape == (2048, 3072, 3)
    expected = np.array(small.convert("RGB"))[::32, ::32].reshape(-1, 3)
    assert np.abs(seen_colors(mesh) - expected).max() <= 1


def test_images_that_would_not_fit_into_memory_are_refused():
    header = png(np.zeros((1, 1, 3), np.uint8))
    huge = header.replace((1).to_bytes(4, "big") * 2, (100_000).to_bytes(4, "big") * 2)
    with pytest.raises(ValueError, match="pixels in the texture t, got 10,000,000,000|can't be decoded"):
        decode_texture(huge, "t")


def test_tags_of_orientation_do_not_move_texels():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert np.array_equal(decode_texture(encoded(Image.fromarray(atlas()), exif=exif), "t"), atlas())


def write_ply(path, names, kind, values, per_face=False):
    rows = [f"{x:.9g} {y:.9g} {z:.9g}" + ("" if per_face else " " + " ".join(f"{v:g}" for v in row)) for (x, y, z), row in zip(POSITIONS, values)]
    properties = [f"property {kind} {name}" for name in names]
    head = ["ply", "format ascii 1.0", "element vertex 24", *(f"property float {axis}" for axis in "xyz")]
    head += [] if per_face else properties
    head += ["element face 12", "property list uchar int vertex_indices", *(properties if per_face else []), "end_header"]
    faces = [f"3 {a} {b} {c}" + (" " + " ".join(f"{v:g}" for v in values[a]) if per_face else "") for a, b, c in TRIANGLES]
    path.write_text("\n".join(head + rows + faces) + "\n")
    return path


@pytest.mark.parametrize("per_face", [False, True])
@pytest.mark.parametrize(("kind", "scale"), [("uchar", 1), ("ushort", 257), ("float", 1 / 255), ("int", 1), ("double", 1)])
@pytest.mark.parametrize("prefix", ["", "diffuse_", "short"])
def test_colours_of_ply_files_under_all_their_names(tmp_path, prefix, kind, scale, per_face):
    names = "rgb" if prefix == "short" else [prefix + name for name in ("red", "green", "blue")]
    path = write_ply(tmp_path / "box.ply", names, kind, np.repeat(COLORS.astype(float) * scale, 4, axis=0), per_face)
    assert np.abs(seen_colors(load_mesh(path)) - COLORS).max() <= 1


@pytest.mark.parametrize("names", [("texture_u", "texture_v"), ("u", "v"), ("s", "t")])
@pytest.mark.parametrize("image", ["tex.png", "my tex.png", "maps/tex.png"])
def test_the_texture_that_a_comment_names(tmp_path, names, image):
    uv = coordinates() * [1, -1] + [0, 1]
    path = write_ply(tmp_path / "box.ply", names, "float", uv)
    path.write_text(path.read_text().replace("element vertex", f"comment TextureFile {image}\nelement vertex"))
    assert not load_mesh(path).has_color and image in load_mesh(path).notes[0]
    (tmp_path / image).parent.mkdir(exist_ok=True)
    (tmp_path / image).write_bytes(png(atlas()))
    assert np.abs(seen_colors(load_mesh(path)) - COLORS).max() <= 1


def test_coordinates_and_textures_of_faces(tmp_path):
    """As MeshLab writes them: two textures, and the coordinates of every corner with its face."""
    uv = coordinates() * [1, -1] + [0, 1]
    head = ["ply", "format ascii 1.0", "comment TextureFile a.png", "comment TextureFile b.png", "element vertex 24"]
    head += [*(f"property float {axis}" for axis in "xyz"), "element face 12", "property list uchar int vertex_indices"]
    head += ["property list uchar float texcoord", "property int texnumber", "end_header"]
    rows = [f"{x} {y} {z}" for x, y, z in POSITIONS]
    faces = [
        f"3 {a} {b} {c} 6 " + " ".join(f"{value:.9g}" for value in uv[[a, b, c]].ravel()) + f" {int(a >= 12)}"
        for a, b, c in TRIANGLES
    ]
    (tmp_path / "box.ply").write_text("\n".join(head + rows + faces) + "\n")
    (tmp_path / "a.png").write_bytes(png(atlas()))
    (tmp_path / "b.png").write_bytes(png(atlas(255 - COLORS)))
    expected = np.vstack([COLORS[:3], 255 - COLORS[3:]])
    assert np.abs(seen_colors(load_mesh(tmp_path / "box.ply")) - expected).max() <= 1
