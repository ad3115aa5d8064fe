"""Small data sets in the real layouts, with images that are known pixel by pixel."""

import json

import cv2
import numpy as np
import pytest
import scipy.io
from scipy.spatial.transform import Rotation

WIDTH, HEIGHT = 32, 24
K = np.array([[40.0, 0, 15.5], [0, 42.0, 11.5], [0, 0, 1]])


def color_of(index):
    """Colour image whose red channel tells the frame."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[...] = (10 * index + 5, 100, 200)
    return image


def depth_m_of(index):
    """Depth in metres, with one pixel without measurement."""
    depth = np.full((HEIGHT, WIDTH), 0.5 + 0.01 * index)
    depth[0, 0] = 0
    return depth


def pose_of(index, offset=0.0):
    """A pose that differs from frame to frame."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_rotvec([0.1 * index, 0.2, -0.3]).as_matrix()
    pose[:3, 3] = (0.01 * index + offset, -0.02, 0.5)
    return pose


def write_png(path, image):
    """Write an RGB or single-channel image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)


def write_cube_ply(path, side):
    """A cube of ``side`` file units around the origin."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * side / 2
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    lines = ["ply", "format ascii 1.0", "element vertex 8", "property float x", "property float y", "property float z"]
    lines += ["element face 12", "property list uchar int vertex_indices", "end_header"]
    lines += [" ".join(map(str, corner)) for corner in corners]
    lines += [f"3 {a} {b} {c}\n3 {a} {c} {d}" for a, b, c, d in quads]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def bop_scene(tmp_path):
    """A BOP scene of frames 3, 4, 5 with objects 1 and 2, the latter twice; depth in 0.1 mm."""
    scene = tmp_path / "tiny" / "test" / "000007"
    cameras, poses = {}, {}
    for index in (3, 4, 5):
        write_png(scene / "rgb" / f"{index:06d}.png", color_of(index))
        write_png(scene / "depth" / f"{index:06d}.png", np.round(depth_m_of(index) * 10000).astype(np.uint16))
        cameras[str(index)] = {"cam_K": K.ravel().tolist(), "depth_scale": 0.1}
        poses[str(index)] = [
            {
                "obj_id": obj_id,
                "cam_R_m2c": pose_of(index, offset)[:3, :3].ravel().tolist(),
                "cam_t_m2c": (pose_of(index, offset)[:3, 3] * 1000).tolist(),
            }
            for obj_id, offset in ((2, 0.0), (1, 0.1), (2, 0.2))
        ]
        for number in range(3):
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[number : number + 2, 5:9] = 255
            write_png(scene / "mask_visib" / f"{index:06d}_{number:06d}.png", mask)
    (scene / "scene_camera.json").write_text(json.dumps(cameras))
    (scene / "scene_gt.json").write_text(json.dumps(poses))
    models = tmp_path / "tiny" / "models"
    write_cube_ply(models / "obj_000001.ply", 100)
    write_cube_ply(models / "obj_000002.ply", 50)
    turn = np.diag([-1.0, -1, 1, 1])
    turn[0, 3] = 7
    info = {
        "1": {"name": "box", "diameter": 173.2, "symmetries_discrete": [turn.ravel().tolist()]},
        "2": {"diameter": 86.6, "symmetries_continuous": [{"axis": [0, 0, 1], "offset": [5, 0, 0]}]},
    }
    (models / "models_info.json").write_text(json.dumps(info))
    return scene


@pytest.fixture
def ycb_video(tmp_path):
    """A YCB-Video video of frames 1, 2, 3; frame 3 shows one object, the others two."""
    folder = tmp_path / "YCB_Video_Dataset" / "data" / "0048"
    for index in (1, 2, 3):
        classes = [1, 14] if index < 3 else [14]
        poses = np.stack([pose_of(index, 0.1 * number)[:3] for number in classes], axis=-1)
        label = np.zeros((HEIGHT, WIDTH), np.uint8)
        label[2:6, 3:9] = 14
        write_png(folder / f"{index:06d}-color.png", color_of(index))
        write_png(folder / f"{index:06d}-depth.png", np.round(depth_m_of(index) * 10000).astype(np.uint16))
        write_png(folder / f"{index:06d}-label.png", label)
        meta = {
            "cls_indexes": np.array(classes, np.uint8)[:, None],
            "factor_depth": np.uint16(10000),
            "intrinsic_matrix": K,
            "poses": poses if len(classes) > 1 else poses[..., 0],
        }
        scipy.io.savemat(folder / f"{index:06d}-meta.mat", meta)
        (folder / f"{index:06d}-box.txt").write_text("025_mug 3.00 2.00 8.00 5.00\n")
    (tmp_path / "YCB_Video_Dataset" / "image_sets").mkdir()
    (tmp_path / "YCB_Video_Dataset" / "image_sets" / "keyframe.txt").write_text(
        "0048/000001\n0048/000003\n0049/000001\n"
    )
    return folder


@pytest.fixture
def eoat_video(tmp_path):
    """A YCBInEOAT video of three frames whose images are named by time and whose poses by number."""
    folder = tmp_path / "YCBInEOAT" / "mustard0"
    for index in range(3):
        name = f"{1581120424100262102 + index * 100_000_000}.png"
        write_png(folder / "rgb" / name, color_of(index))
        for depth_folder in ("depth", "depth_filled"):
            write_png(folder / depth_folder / name, np.round(depth_m_of(index) * 1000).astype(np.uint16))
        (folder / "annotated_poses").mkdir(exist_ok=True)
        np.savetxt(folder / "annotated_poses" / f"{index:07d}.txt", pose_of(index))
    np.savetxt(folder / "cam_K.txt", K)
    return folder


@pytest.fixture
def seven_scenes_room(tmp_path):
    """A 7-Scenes scene of two sequences of two frames each, the first for training."""
    scene = tmp_path / "chess"
    for sequence in (1, 2):
        for number in (0, 1):
            stem = scene / f"seq-{sequence:02d}" / f"frame-{number:06d}"
            index = 2 * (sequence - 1) + number
            depth = np.round(depth_m_of(index) * 1000).astype(np.uint16)
            depth[0, 1] = 65535
            write_png(stem.with_name(f"{stem.name}.color.png"), color_of(index))
            write_png(stem.with_name(f"{stem.name}.depth.png"), depth)
            np.savetxt(stem.with_name(f"{stem.name}.pose.txt"), pose_of(index))
    (scene / "TrainSplit.txt").write_text("sequence1 \n")
    (scene / "TestSplit.txt").write_text("sequence2\n")
    return scene


@pytest.fixture
def cambridge_scene(tmp_path):
    """A Cambridge scene of two images for training and one for testing, with a reconstruction of three points."""
    scene = tmp_path / "ShopFacade"
    title = "Visual Landmark Dataset V1\nImageFile, Camera Position [X Y Z W P Q R]\n\n"
    lines, cameras = {"train": "", "test": ""}, ""
    for index, split in enumerate(("train", "train", "test")):
        write_png(scene / "seq1" / f"frame{index:05d}.png", color_of(index))
        position, rotation = pose_of(index)[:3, 3], Rotation.from_matrix(pose_of(index)[:3, :3]).inv()
        x, y, z, w = rotation.as_quat()
        pose = f"{position[0]} {position[1]} {position[2]} {w} {x} {y} {z}"
        lines[split] += f"seq1/frame{index:05d}.png {pose}\n"
        cameras += f"seq1/frame{index:05d}.jpg\t{30 + index} {w} {x} {y} {z} 1 2 3 0.01 0\n"
    for split, text in lines.items():
        (scene / f"dataset_{split}.txt").write_text(title + text)
    points = "1 2 3 9 9 9 2 0 5 0.5 0.5 2 6 0.1 0.1\n4 5 6 9 9 9 1 2 7 0.5 0.5\n7 8 9 9 9 9 1 1 7 0.5 0.5\n"
    (scene / "reconstruction.nvm").write_text(f"NVM_V3 \n\n3\n{cameras}\n3\n{points}\n0\n")
    return scene


def cut(path, share=0.5):
    """Keep only the first part of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
