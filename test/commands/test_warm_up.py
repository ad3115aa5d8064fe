"""The command that compiles kernels, and what it measures."""

from __future__ import annotations

import re

import numpy as np
import pytest
import trimesh
from typer.testing import CliRunner

from pose_tracker_ros.cli import app
from pose_tracker_ros.evaluation import network_speed, renderer_speed
from pose_tracker_ros.kernels.compilation import CACHE_FOLDER
from pose_tracker_ros.objects import load_object


def test_it_says_where_the_kernels_are_and_what_runs_the_networks():
    done = CliRunner().invoke(app, ["warm-up"])
    assert done.exit_code == 0, done.output
    assert str(CACHE_FOLDER) in done.output.replace("\n", "")
    assert re.search(r"generic.residual\.safetensors loaded in .* runs on (cpu|cuda:0) \((openvino|torch)", done.output)


def test_it_measures_meshes_of_several_sizes(monkeypatch):
    monkeypatch.setattr(renderer_speed, "SECONDS_A_CASE", 0.0)
    monkeypatch.setattr(renderer_speed, "BALL_FACES", (200,))
    monkeypatch.setattr(network_speed, "FIRST_PASSES", 1)
    monkeypatch.setattr(network_speed, "PASSES", 3)
    done = CliRunner().invoke(app, ["warm-up", "--benchmark"], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert "demo_jug" in done.output and str(len(load_object("demo_jug").mesh.faces)) in done.output and "ball" in done.output
    assert "cpu (torch)" in done.output and "whole pass" in done.output
    times = renderer_speed.crop_times(renderer_speed.ObjectModel.from_mesh("ball", renderer_speed.wavy_ball(200)))
    assert all(value > 0 for size in (96, 128) for value in times.microseconds[size])


@pytest.mark.parametrize("faces", [2_000, 20_000])
def test_the_ball_is_closed_and_of_the_size_that_was_asked_for(faces):
    mesh = renderer_speed.wavy_ball(faces)
    assert len(mesh.faces) == pytest.approx(faces, rel=0.05)
    ball = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert ball.volume == pytest.approx(4 / 3 * np.pi * 0.1**3, rel=0.1)
