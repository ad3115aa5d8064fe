"""OBJ files as programs write them: names of textures, colours, indices, and what is missing is said."""

from __future__ import annotations

import numpy as np
import pytest
from painted_boxes import COLORS, CORNERS, SIDES, atlas, coordinates, png, seen_colors, write_obj

from pose_tracker_ros.objects import load_mesh

AREA = 2 * (0.08 * 0.06 + 0.08 * 0.04 + 0.06 * 0.04)


def area(mesh):
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2


@pytest.mark.parametrize(
    ("material", "image"),
    [
        ("newmtl paint\nmap_Kd tex.png\n", "tex.png"),
        ("newmtl paint\nmap_Kd my tex.png\n", "my tex.png"),
        ("newmtl paint\nmap_Kd ./tex.png\n", "tex.png"),
        ("newmtl paint\nmap_Kd textures/my tex.png\n", "textures/my tex.png"),
        ("newmtl paint\nmap_Kd textures\\tex.png\n", "textures/tex.png"),
        ("newmtl paint\nmap_Kd C:\\Users\\Ann Lee\\part\\tex.png\n", "tex.png"),
        ("newmtl paint\nmap_Kd /home/ann/tex.png\n", "tex.png"),
        ('newmtl paint\nmap_Kd "my tex.png"\n', "my tex.png"),
        ("newmtl paint\nmap_kd tex.png\n", "tex.png"),
        ("newmtl paint\nMAP_KD Tex.PNG\n", "tex.png"),
        ("newmtl paint\r\n\tmap_Kd\ttex.png\r\n", "tex.png"),
        ("newmtl paint\nmap_Kd -clamp on -bm 0.5 my tex.png\n", "my tex.png"),
        ("newmtl paint\nmap_Kd -s 1 1 1 -o 0 0 0 -mm 0 1 tex.png\n", "tex.png"),
        ("\ufeffnewmtl paint\nKd 0.64 0.64 0.64\nmap_Kd tex.png\n", "tex.png"),
        ("newmtl paint\nKd 0 0 0\nmap_Kd tëx.png\n", "tëx.png"),
    ],
)
def test_textures_are_found_by_the_names_that_programs_give_them(tmp_path, material, image):
    path = write_obj(tmp_path / "box.obj", material)
    (tmp_path / image).parent.mkdir(exist_ok=True)
    (tmp_path / image).write_bytes(png(atlas()))
    mesh = load_mesh(path)
    assert mesh.notes == ()
    assert np.abs(seen_colors(mesh) - COLORS).max() <= 1


@pytest.mark.parametrize("name", ["my box.mtl", "sub folder/box.mtl", "BOX.MTL", "other.mtl box.mtl"])
def test_libraries_of_materials_may_have_blanks_or_be_several(tmp_path, name):
    path = write_obj(tmp_path / "box.obj", "newmtl paint\nmap_Kd tex.png\n")
    material = tmp_path / ("box.mtl" if name == "other.mtl box.mtl" else name)
    material.parent.mkdir(exist_ok=True)
    if material.name != "box.mtl" or material.parent != tmp_path:
        (tmp_path / "box.mtl").rename(material)
    (tmp_path / "other.mtl").write_text("newmtl other\nKd 1 0 0\n")
    (tmp_path / "tex.png").write_bytes(png(atlas()))
    path.write_text(path.read_text().replace("mtllib box.mtl", f"mtllib {name.replace('BOX.MTL', 'box.mtl')}"))
    assert np.abs(seen_colors(load_mesh(path)) - COLORS).max() <= 1


@pytest.mark.parametrize(
    ("material", "missing"),
    [
        ("", "box.mtl"),
        ("newmtl paint\nKd 1 1 1\nmap_Kd gone.png\n", "gone.png"),
        ("newmtl paint\nKd 1 0 0\nmap_Kd textures\\gone.png\n", "gone.png"),
        ("newmtl paint\nmap_Kd broken.png\n", "broken.png"),
        ("newmtl other\nKd 1 0 0\n", "'paint'"),
    ],
)
def test_what_is_missing_is_named_and_no_colour_is_made_up(tmp_path, material, missing):
    (tmp_path / "broken.png").write_bytes(png(atlas())[:60])
    mesh = load_mesh(write_obj(tmp_path / "box.obj", material))
    assert not mesh.has_color
    assert missing in " ".join(mesh.notes)


@pytest.mark.parametrize(
    ("kd", "expected"),
    [("0.86 0.12 0.12", (219, 31, 31)), ("0.2", (51, 51, 51)), ("220 30 30", (220, 30, 30)), ("0 0 0", (0, 0, 0))],
)
def test_a_material_of_one_colour_is_that_colour(tmp_path, kd, expected):
    for texture in (True, False):
        mesh = load_mesh(write_obj(tmp_path / "box.obj", f"newmtl paint\nKd {kd}\n", texture=texture))
        assert np.array_equal(seen_colors(mesh), np.tile(expected, (6, 1)))


def test_a_tint_multiplies_its_texture(tmp_path):
    (tmp_path / "t.png").write_bytes(png(np.full((4, 4, 3), 200, np.uint8)))
    mesh = load_mesh(write_obj(tmp_path / "box.obj", "newmtl paint\nKd 1 0.5 0.25\nmap_Kd t.png\n"))
    assert np.array_equal(seen_colors(mesh), np.tile([200, 100, 50], (6, 1)))


def test_coordinates_are_scaled_and_moved_by_the_options_of_a_texture(tmp_path):
    (tmp_path / "t.png").write_bytes(png(atlas()))
    uv = coordinates() * [1, -1] + [0, 1]
    moved = (uv - [0.25, 0.5]) / [2, 4] * [1, -1] + [0, 1]
    mesh = load_mesh(write_obj(tmp_path / "box.obj", "newmtl paint\nmap_Kd -s 2 4 1 -o 0.25 0.5 0 t.png\n", uv=moved))
    assert np.abs(seen_colors(mesh) - COLORS).max() <= 1


def test_several_materials_keep_their_colours_and_textures(tmp_path):
    """Plain, textured, and a texture that repeats, on two sides each."""
    rows = np.full((4, 4, 3), 90, np.uint8)
    (tmp_path / "grey.png").write_bytes(png(rows))
    (tmp_path / "tex.png").write_bytes(png(atlas()))
    lines = ["mtllib box.mtl"] + [f"v {x} {y} {z}" for x, y, z in CORNERS]
    uv = coordinates()
    uv[16:] = uv[16:] * 7 - 3
    lines += [f"vt {u} {1 - v}" for u, v in uv]
    for i, side in enumerate(SIDES):
        lines += [f"usemtl {('plain', 'tex', 'grey')[i // 2]}"]
        lines += ["f " + " ".join(f"{c + 1}/{4 * i + k + 1}" for k, c in enumerate(side))]
    (tmp_path / "box.obj").write_text("\n".join(lines))
    (tmp_path / "box.mtl").write_text("newmtl plain\nKd 1 0 0\nnewmtl tex\nmap_Kd tex.png\nnewmtl grey\nmap_Kd grey.png\n")
    expected = [(255, 0, 0)] * 2 + [tuple(COLORS[2]), tuple(COLORS[3])] + [(90, 90, 90)] * 2
    assert np.abs(seen_colors(load_mesh(tmp_path / "box.obj")) - expected).max() <= 1


@pytest.mark.parametrize("scale", [1, 255])
def test_colours_of_vertices_may_be_fractions_or_bytes(tmp_path, scale):
    corners = [f"v {x} {y} {z} {0.8 * scale:g} {0.4 * scale:g} {0.2 * scale:g}" for x, y, z in CORNERS]
    faces = ["f " + " ".join(str(c + 1) for c in side) for side in SIDES]
    (tmp_path / "box.obj").write_text("\n".join(corners + faces))
    assert np.array_equal(seen_colors(load_mesh(tmp_path / "box.obj")), np.tile([204, 102, 51], (6, 1)))


@pytest.mark.parametrize("group", [1, 2, 3, 6])
def test_relative_indices_count_from_where_the_face_stands(tmp_path, group):
    lines = []
    for first in range(0, 6, group):
        sides = SIDES[first : first + group]
        for side in sides:
            lines += [f"v {x} {y} {z}" for x, y, z in CORNERS[list(side)]]
        for k in range(len(sides)):
            behind = 4 * (len(sides) - k)
            lines.append(f"f {-behind} {-behind + 1} {-behind + 2} {-behind + 3}")
    (tmp_path / "box.obj").write_text("\n".join(lines))
    mesh = load_mesh(tmp_path / "box.obj")
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([0.08, 0.06, 0.04])
    assert area(mesh) == pytest.approx(AREA)


@pytest.mark.parametrize("style", ["{0}/{0}/{0}", "{0}//{0}", "{0}/{0}", "{0}", "{0}/"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_corners_and_lines_may_be_written_in_any_way(tmp_path, style, ending):
    lines = ["# a comment", "o box"] + [f"v  {x}\t{y} {z} " for x, y, z in CORNERS] + ["vt 0 0"] * 8 + ["vn 0 0 1"] * 8
    for side in SIDES:
        corners = [style.format(c + 1) for c in side]
        lines.append("f " + " \\".join([corners[0] + " ", ending + " ".join(corners[1:])]) + "  # side")
    (tmp_path / "box.obj").write_bytes(ending.join(lines).encode())
    mesh = load_mesh(tmp_path / "box.obj")
    assert len(mesh.faces) == 12 and area(mesh) == pytest.approx(AREA)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", r"face 1 .*1 2 9.* 3 vertices"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf -4 2 3\n", r"face 1 .*not among"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", r"face 1 .*not among"),
        ("v 0 0 0\nv 1 0 x\nv 0 1 0\nf 1 2 3\n", r"a vertex with at least 3 numbers, got 'v 1 0 x'"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3.5\n", r"face of corners like .* got 'f 1 2 3.5'"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 /3\n", r"face of corners like .* got 'f 1 2 /3'"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf /1 /2 /3\n", r"face of corners like .* got 'f /1 /2 /3'"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1/1 /5/6 3/3\n", r"face of corners like .* got 'f 1/1 /5/6 3/3'"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1/7 2/7 3/7\n", r"face 1 .* 0 texture coordinates"),
        ("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", r"triangles with an area"),
    ],
)
def test_a_broken_line_is_named(tmp_path, text, words):
    (tmp_path / "part.obj").write_text(text)
    with pytest.raises(ValueError, match=words) as caught:
        load_mesh(tmp_path / "part.obj")
    assert "complete?" not in str(caught.value)
