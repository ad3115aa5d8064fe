"""What add-object checked is what it saves, whole or not at all, where it may write."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from painted_boxes import COLORS, atlas, png, seen_colors, textured, uv_attribute, write_gltf, write_obj
from typer.testing import CliRunner

from pose_tracker_ros import new_objects
from pose_tracker_ros.cli import app
from pose_tracker_ros.objects import load_mesh, load_object


def add(*arguments):
    result = CliRunner().invoke(app, ["add-object", *(str(argument) for argument in arguments)])
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def box(tmp_path):
    (tmp_path / "my textures").mkdir()
    (tmp_path / "my textures" / "tex.png").write_bytes(png(atlas()))
    return write_obj(tmp_path / "box.obj", "newmtl paint\nmap_Kd my textures\\tex.png\n")


def test_the_object_stands_alone_with_all_its_paint(box, tmp_path):
    code, output = add(box, "--unit", "m", "--models", tmp_path / "models")
    assert code == 0, output
    for companion in (box, tmp_path / "box.mtl", tmp_path / "my textures"):
        companion.unlink() if companion.is_file() else shutil.rmtree(companion)
    saved = load_object(str(tmp_path / "models" / "box")).mesh
    assert np.abs(seen_colors(saved) - COLORS).max() <= 1
    assert sorted(path.name for path in (tmp_path / "models" / "box").iterdir()) == ["contact_sheet.png", "mesh.glb", "object.yaml"]


@pytest.mark.parametrize("name", ["box.gltf", "box.glb"])
def test_gltf_needs_no_unit_and_brings_its_companions(tmp_path, name):
    path = write_gltf(tmp_path / name, {"TEXCOORD_0": uv_attribute()}, textured(), (png(atlas()),))
    code, output = add(path, "--models", tmp_path / "models")
    assert code == 0 and "unit m" in output
    assert np.abs(seen_colors(load_object(str(tmp_path / "models" / "box")).mesh) - COLORS).max() <= 1


@pytest.mark.parametrize("change", ["bounds", "faces", "paint", "look"])
def test_what_differs_when_it_is_read_back_is_not_written(box, tmp_path, monkeypatch, change):
    def spoiled(model, folder):
        mesh = model.mesh
        if change == "bounds":
            object.__setattr__(mesh, "vertices", mesh.vertices * np.float32(1.001))
        elif change == "faces":
            object.__setattr__(mesh, "faces", mesh.faces[1:])
        elif change == "paint":
            object.__setattr__(mesh, "texture", None)
        else:
            object.__setattr__(mesh, "texture", mesh.texture[::-1].copy())
        return write_object(model, folder)

    write_object = new_objects.write_object
    monkeypatch.setattr(new_objects, "write_object", spoiled)
    code, output = add(box, "--unit", "m", "--models", tmp_path / "models")
    assert code == 1 and "differ in" in output
    assert not list((tmp_path / "models").iterdir())


def test_a_failing_run_leaves_what_was_there(box, tmp_path):
    models = tmp_path / "models"
    assert add(box, "--unit", "m", "--models", models)[0] == 0
    (models / "box" / "residual.safetensors").write_bytes(b"weights")
    before = {path.name: path.read_bytes() for path in (models / "box").iterdir()}
    (tmp_path / "box.obj").write_text("v 0 0 0\nf 1 2 3\n")
    assert add(box, "--unit", "m", "--models", models, "--overwrite")[0] == 1
    assert {path.name: path.read_bytes() for path in (models / "box").iterdir()} == before
    assert [path.name for path in models.iterdir()] == ["box"]


def test_weights_stay_when_an_object_is_replaced(box, tmp_path):
    models = tmp_path / "models"
    (models / "box").mkdir(parents=True)
    (models / "box" / "object.yaml").write_text("mesh: old.ply\n")
    (models / "box" / "old.ply").write_text("")
    (models / "box" / "residual.safetensors").write_bytes(b"weights")
    assert add(box, "--unit", "m", "--models", models, "--overwrite")[0] == 0
    assert {path.name for path in (models / "box").iterdir()} == {
        "contact_sheet.png", "mesh.glb", "object.yaml", "residual.safetensors",
    }  # fmt: skip


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_done(box, tmp_path):
    (tmp_path / "file").write_text("")
    code, output = add(box, "--unit", "m", "--models", tmp_path / "file" / "models")
    assert code == 1 and "--models" in output and str(tmp_path / "file") in output


def test_another_user_without_a_home_writes_to_the_working_directory(box, tmp_path):
    """The installation may be read only, there may be no HOME, and the user need not have a name."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv to become a user without a name")
    work = tmp_path / "work"
    work.mkdir()
    for path in [*tmp_path.rglob("*"), tmp_path, *list(tmp_path.parents)[:3]]:
        path.chmod(path.stat().st_mode | (0o777 if path == work else 0o055))
    command = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups", "--inh-caps", "+dac_read_search"]
    command += ["--ambient-caps", "+dac_read_search", "env", "-i", "PATH=/usr/bin:/bin", f"PYTHONPATH={Path.cwd()}"]
    command += [sys.executable, "-m", "pose_tracker_ros", "add-object", str(box), "--name", "mine", "--unit", "m"]
    run = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (work / "models" / "mine" / "mesh.glb").is_file()
    assert load_mesh(work / "models" / "mine" / "mesh.glb").has_color
