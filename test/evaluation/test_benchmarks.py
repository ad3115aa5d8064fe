"""Published numbers from published poses, and the layouts of result folders."""

import json

import numpy as np
import pytest
from dataset_layouts import pose_of, write_cube_ply

from pose_tracker_ros.datasets import DatasetError, open_sequence
from pose_tracker_ros.evaluation import benchmarks
from pose_tracker_ros.evaluation.bop_challenge import BopGroundTruth, evaluate_bop
from pose_tracker_ros.evaluation.protocol import summarize
from pose_tracker_ros.evaluation.published import load_published
from pose_tracker_ros.evaluation.trajectory import BopEstimate, PoseEstimate, read_bop_results, write_trajectory

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * 0.05


def exact_estimate(target, pose):
    return BopEstimate(target.scene_id, target.im_id, target.obj_id, 1.0, pose)


def published_ycb_video(add, adds):
    """The published table's row of these scores."""
    return next(m for m in load_published()["ycb_video"].methods if m.auc["ALL"] == (add, adds))


def test_published_ycb_video_scores(shared_data):
    tracks = benchmarks.evaluate_keyframe_results(shared_data / "ycbv_results", "posecnn_icp_rss2018")
    summary = summarize(tracks, "ALL")
    assert summary.frames == 14025
    assert summary.missing > 0, "undetected objects count"
    assert summary.add_auc * 100 == pytest.approx(79.3, abs=0.2)
    assert summary.adds_auc * 100 == pytest.approx(93.0, abs=0.2)
    assert "PoseCNN" in published_ycb_video(79.3, 93.0).source


def test_published_ycb_video_scores_of_poses_that_are_far_off(shared_data, tmp_path):
    """Without ICP; of every eighth row, which is enough to tell them from other scores."""
    results = shared_data / "ycbv_results"
    (tmp_path / "points").symlink_to(results / "points")
    for method in ("ground_truth", "posecnn_rss2018"):
        (tmp_path / "poses" / method).mkdir(parents=True)
        for file in (results / "poses" / method).glob("*.txt"):
            rows = file.read_text().splitlines(keepends=True)
            (tmp_path / "poses" / method / file.name).write_text("".join(rows[::8]))
    summary = summarize(benchmarks.evaluate_keyframe_results(tmp_path, "posecnn_rss2018"), "ALL")
    assert summary.add_auc * 100 == pytest.approx(53.7, abs=1.0)
    assert summary.adds_auc * 100 == pytest.approx(75.9, abs=1.0)
    assert "PoseCNN" in published_ycb_video(53.7, 75.9).source


def test_published_recalls_on_linemod_occlusion(shared_data):
    truth = BopGroundTruth(shared_data / "lmo_eval" / "lmo")
    estimates = read_bop_results(shared_data / "lmo_eval" / "results" / "cnos-fastsam-megapose_lmo-test.csv")
    scores = evaluate_bop(estimates, truth)
    assert scores.instance_count == 1445
    assert scores.overall["mssd"] == pytest.approx(0.4941, abs=1e-4)
    assert scores.overall["mspd"] == pytest.approx(0.6067, abs=1e-4)
    exact = [exact_estimate(target, pose) for target in truth.targets() for pose in truth.poses(target)]
    assert evaluate_bop(exact, truth).overall == {"mssd": 1.0, "mspd": 1.0}
    assert evaluate_bop([], truth).overall == {"mssd": 0.0, "mspd": 0.0}


def test_published_tables_are_complete():
    tables = load_published()
    assert len(tables["ycb_video"].methods[0].auc) == 22 and len(tables["ycbineoat"].methods[0].auc) == 6
    trackers = {name: table.methods[0] for name, table in tables.items()}
    assert all(method.name == "se(3)-TrackNet" and "2007.13866" in method.source for method in trackers.values())
    assert trackers["ycb_video"].auc["ALL"] == (93.05, 95.71) and trackers["ycbineoat"].auc["ALL"] == (92.66, 95.53)
    # 93.25 / 96.12 is the mean of the 21 rows, which a wrong digit in any of them would move.
    rows = np.array([auc for name, auc in trackers["ycb_video"].auc.items() if name != "ALL"])
    np.testing.assert_allclose(rows.mean(axis=0), [93.25, 96.12], atol=0.01)


def test_published_entries_without_source_are_refused(tmp_path):
    (tmp_path / "p.yaml").write_text(
        "a:\n  title: t\n  methods:\n    - {name: x, initial_pose: y, auc: {ALL: [1, 2]}}\n"
    )
    with pytest.raises(ValueError, match="expected source for method 'x'"):
        load_published(tmp_path / "p.yaml")


@pytest.fixture
def keyframe_results(tmp_path):
    """Ground truth of three keyframes, and a method that is exact, 20 mm off, and blind."""
    rows = ["1 0 0 0 0 0 1", "0 1 0 0 0.1 0 1", "0.5 0.5 0.5 0.5 0 0.1 1"]
    found = [rows[0], "0 1 0 0 0.12 0 1", "0 0 0 0 0 0 0"]
    for name, lines in (("ground_truth", rows), ("mine", found)):
        (tmp_path / "poses" / name).mkdir(parents=True)
        (tmp_path / "poses" / name / "0048_025_mug.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "points").mkdir()
    np.savetxt(tmp_path / "points" / "025_mug.xyz", CORNERS)
    return tmp_path


def test_keyframe_results_in_the_published_layout(keyframe_results):
    assert benchmarks.is_keyframe_results(keyframe_results) and benchmarks.keyframe_methods(keyframe_results) == [
        "mine"
    ]
    (track,) = benchmarks.evaluate_keyframe_results(keyframe_results, "mine")
    assert (track.sequence_name, track.object_name) == ("0048", "025_mug")
    np.testing.assert_allclose(track.add, [0, 0.02, np.inf], atol=1e-12)


def test_short_and_missing_keyframe_results_are_named(keyframe_results):
    path = keyframe_results / "poses" / "mine" / "0048_025_mug.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:2]))
    with pytest.raises(DatasetError, match="expected 3 rows in .*mine/0048_025_mug.txt"):
        benchmarks.evaluate_keyframe_results(keyframe_results, "mine")
    path.write_text("1 0 0\n")
    with pytest.raises(DatasetError, match="rows of 7 numbers in .*0048_025_mug.txt"):
        benchmarks.evaluate_keyframe_results(keyframe_results, "mine")
    path.unlink()
    with pytest.raises(DatasetError, match="mine/0048_025_mug.txt"):
        benchmarks.evaluate_keyframe_results(keyframe_results, "mine")


def test_ycb_video_tracks_are_scored_at_keyframes(tmp_path, ycb_video):
    """The frame between the keyframes 1 and 3 is wrong and does not count."""
    root = ycb_video.parent.parent
    (root / "models" / "025_mug").mkdir(parents=True)
    np.savetxt(root / "models" / "025_mug" / "points.xyz", CORNERS)
    truths = {a.index: a.truth["025_mug"] for a in open_sequence(ycb_video).annotations()}
    results = tmp_path / "results"
    results.mkdir()
    rows = [PoseEstimate(index / 30, index, np.eye(4) if index == 2 else truths[index]) for index in (1, 2, 3)]
    write_trajectory(results / "0048_025_mug.csv", rows)
    (track,) = benchmarks.evaluate_ycb_video(results, root / "data", root / "models")
    np.testing.assert_array_equal(track.index, [1, 3])
    np.testing.assert_allclose(track.add, 0, atol=1e-7)


@pytest.mark.parametrize("layout", ["matrices", "trajectory"])
def test_ycbineoat_results_are_scored_in_all_frames(tmp_path, eoat_video, layout):
    models = tmp_path / "models" / "006_mustard_bottle"
    models.mkdir(parents=True)
    np.savetxt(models / "points.xyz", CORNERS)
    write_cube_ply(models / "cube.ply", 0.1)
    import trimesh

    trimesh.load(models / "cube.ply").export(models / "textured.obj")
    results = tmp_path / "results"
    (results / "mustard0").mkdir(parents=True)
    for index in (0, 2):
        np.savetxt(results / "mustard0" / f"{index:07d}.txt", pose_of(index))
        np.savetxt(results / "mustard0" / f"{index:07d}gt.txt", np.eye(4))
    if layout == "trajectory":
        write_trajectory(results / "mustard0.csv", [PoseEstimate(0, index, pose_of(index)) for index in (0, 2)])
    (track,) = benchmarks.evaluate_ycbineoat(results, eoat_video.parent, tmp_path / "models")
    np.testing.assert_allclose(track.add, [0, np.inf, 0], atol=1e-7)
    with pytest.raises(DatasetError, match="expected results such as"):
        benchmarks.evaluate_ycbineoat(tmp_path, eoat_video.parent, tmp_path / "models")


def test_bop_challenge_on_a_scene_with_two_instances(bop_scene):
    """All instances are found exactly, then one of each pair is missing."""
    truth = BopGroundTruth(bop_scene.parent.parent)
    targets = truth.targets()
    assert [(t.scene_id, t.im_id, t.obj_id, t.count) for t in targets][:2] == [(7, 3, 1, 1), (7, 3, 2, 2)]
    exact = [exact_estimate(target, pose) for target in targets for pose in truth.poses(target)]
    assert evaluate_bop(exact, truth).overall == {"mssd": 1.0, "mspd": 1.0}
    first = [exact_estimate(target, truth.poses(target)[0]) for target in targets]
    assert evaluate_bop(first, truth).overall["mssd"] == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="'add'"):
        evaluate_bop(exact, truth, ("add",))


def test_bop_targets_choose_the_most_visible_instances(bop_scene):
    root = bop_scene.parent.parent
    info = {str(i): [{"visib_fract": share} for share in (0.2, 0.5, 0.9)] for i in (3, 4, 5)}
    (bop_scene / "scene_gt_info.json").write_text(json.dumps(info))
    target = {"scene_id": 7, "im_id": 4, "obj_id": 2, "inst_count": 1}
    (root / "test_targets_bop19.json").write_text(json.dumps([target]))
    truth = BopGroundTruth(root)
    (pose,) = truth.poses(truth.targets()[0])
    np.testing.assert_allclose(pose, pose_of(4, 0.2), atol=1e-12)
    (root / "test_targets_bop19.json").write_text(json.dumps([{"scene_id": 7}]))
    with pytest.raises(DatasetError, match="test_targets_bop19.json"):
        truth.targets()


def test_vsd_of_rendered_truth_on_rendered_depth(bop_scene):
    """A scene whose depth images are renderings of its objects: exact poses give AR 1, a wrong depth less."""
    import cv2

    from pose_tracker_ros.rendering import create_renderer

    sequence = open_sequence(bop_scene)
    box = create_renderer("raycast", sequence.load_model("box").mesh)
    for position in range(3):
        frame = sequence.read(position)
        depth = box.render(frame.camera, frame.truth["box"]).depth
        path = bop_scene / "depth" / f"{frame.index:06d}.png"
        assert cv2.imwrite(str(path), np.round(depth * 10000).astype(np.uint16))
    (bop_scene.parent.parent / "test_targets_bop19.json").write_text(
        json.dumps([{"scene_id": 7, "im_id": index, "obj_id": 1, "inst_count": 1} for index in (3, 4, 5)])
    )
    truth = BopGroundTruth(bop_scene.parent.parent)
    exact = [exact_estimate(target, truth.poses(target)[0]) for target in truth.targets()]
    assert evaluate_bop(exact, truth, ("vsd",)).overall["vsd"] == 1.0
    away = np.eye(4)
    away[2, 3] = 0.06
    moved = [row._replace(camera_T_object=away @ row.camera_T_object) for row in exact]
    assert 0 < evaluate_bop(moved, truth, ("vsd",)).overall["vsd"] < 0.8


def test_bop_results_as_a_track_take_the_best_estimate(bop_scene):
    sequence = open_sequence(bop_scene)
    rows = [
        BopEstimate(7, 3, 1, 0.2, np.eye(4), 0.5),
        BopEstimate(7, 3, 1, 0.9, pose_of(3), 0.02),
        BopEstimate(8, 4, 1, 0.9, pose_of(3)),
    ]
    (estimate,) = benchmarks.estimates_for_scene(rows, sequence, "box")
    assert (estimate.index, estimate.score, estimate.latency_ms) == (3, 0.9, 20.0)
    np.testing.assert_allclose(estimate.camera_T_object, pose_of(3))
    with pytest.raises(DatasetError, match="'cup'"):
        benchmarks.estimates_for_scene(rows, sequence, "cup")
