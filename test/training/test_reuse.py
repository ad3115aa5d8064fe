"""Pairs that are seen again in other views, batches of chunks, and runs that end by the clock."""

import csv
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from pose_tracker_ros.networks.crops import Crops
from pose_tracker_ros.networks.rigid_fit import pixel_motion
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.training.duration import Duration
from pose_tracker_ros.training.feed import Feed
from pose_tracker_ros.training.pairs import Batch, PairStream, make_batch
from pose_tracker_ros.training.reuse import PairPool, chunk_size, concatenated, joined, reused
from pose_tracker_ros.training.scene import PairGenerator, SceneConfig
from pose_tracker_ros.training.train import TrainConfig, train
from pose_tracker_ros.training.turned_views import mirrored, turned

pytestmark = pytest.mark.usefixtures("one_thread")
SCENE = SceneConfig(resolution=32)
QUICK = TrainConfig(
    steps=4,
    batch_size=8,
    workers=0,
    device="cpu",
    validate_every=4,
    validation_pairs=8,
    closed_loop_frames=0,
    curriculum_steps=0,
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def jug():
    return load_object("demo_jug")


@pytest.fixture(scope="module")
def batch(jug):
    return make_batch(PairGenerator([jug], SCENE, seed=2, images=5), 6).to("cpu")


def numbered(first, count):
    """Pairs that can be told apart by their diameters."""
    crops = Crops(
        torch.zeros(count, 8, 4, 4),
        torch.zeros(count, 5, 4, 4),
        torch.ones(count, 4),
        torch.ones(count, 3),
        torch.arange(first, first + count).float(),
    )
    return Batch(crops, torch.zeros(count, 3), torch.zeros(count, 3))


VIEWS = {f"{quarters} quarters": lambda pairs, quarters=quarters: turned(pairs, quarters) for quarters in (1, 2, 3)}
VIEWS["mirrored"] = mirrored


@pytest.mark.parametrize("name", VIEWS)
def test_another_view_shows_the_same_motion(batch, name):
    """Where the residual takes the surface, by the other camera, is where it took it, turned as the images are."""
    view = VIEWS[name](batch)
    before, after = (
        pixel_motion(one.crops, one.translation, one.rotation, 1).transpose(1, 2).unflatten(2, (32, 32))
        for one in (batch, view)
    )
    # An image of the motion is a vector at every pixel: across, down, and depth.
    across, down, depth = before.unbind(1)
    if name == "mirrored":
        expected = torch.stack([-across, down, depth], dim=1).flip(-1)
    else:
        for _ in range(int(name[0])):
            across, down = down, -across
        expected = torch.stack([across, down, depth], dim=1).rot90(int(name[0]), (-2, -1))
    mask = view.crops.rendered[:, 4:5] > 0.5
    assert mask.any()
    torch.testing.assert_close(after * mask, expected * mask, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", VIEWS)
def test_normals_of_another_view_are_those_of_its_depth(batch, name):
    """The face of a surface that looks at the camera does so in every view: rays and normals point against each other."""
    view = VIEWS[name](batch)
    for one in (batch, view):
        rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
        fx, fy, cx, cy = (value[:, None, None] for value in one.crops.intrinsics.unbind(1))
        rays = torch.stack([(columns - cx) / fx, (rows - cy) / fy, torch.ones(len(fx), 32, 32)], dim=1)
        facing = (one.crops.rendered[:, 5:8] * rays).sum(1)[one.crops.rendered[:, 4] > 0.5]
        assert (facing < 1e-3).float().mean() > 0.98


def test_four_quarters_and_two_mirrors_are_nothing(batch):
    for same in (turned(turned(batch, 3), 1), mirrored(mirrored(batch))):
        for before, after in zip((*batch.crops, *batch[1:]), (*same.crops, *same[1:])):
            torch.testing.assert_close(after, before, atol=1e-5, rtol=0)


def test_every_pair_is_new_once_and_seen_so_often_on_average():
    fresh = (numbered(4 * step, 4) for step in range(200))
    batches = list(reused(fresh, 3, PairPool(64, True, 0, CPU)))
    assert all(len(one.rotation) == 12 for one in batches)
    new = torch.cat([one.crops.diameter[:4] for one in batches])
    assert torch.equal(new, torch.arange(800 - len(new), 800).float())
    seen = np.bincount(torch.cat([one.crops.diameter for one in batches]).int().numpy(), minlength=800)
    # Those in the middle of the run, which were neither there when it began nor when it ended.
    assert seen[100:700].mean() == pytest.approx(3, abs=0.1)


def test_a_pool_keeps_the_last_ones():
    pool = PairPool(8, False, 0, CPU)
    for first in (0, 5, 10):
        pool.add(numbered(first, 5))
    drawn = torch.cat([view.crops.diameter for view in pool.draw(200)])
    assert len(pool) == 8 and set(drawn.tolist()) == set(map(float, range(7, 15)))


@pytest.mark.parametrize("fresh, chunk", [(32, 32), (64, 64), (65, 13), (128, 64), (67, 1)])
def test_chunks_divide_batches(fresh, chunk):
    assert chunk_size(fresh) == chunk


def test_chunks_are_joined_in_their_order():
    whole = next(joined((numbered(3 * part, 3) for part in range(4)), 12))
    assert whole.crops.diameter.tolist() == list(range(12))
    assert concatenated([numbered(0, 2)]).crops.diameter.tolist() == [0, 1]


def test_without_reuse_the_batches_are_those_of_the_stream(jug):
    stream = PairStream([jug], SCENE, 4, seed=1, first_batch=0, curriculum=0)
    feed = Feed((one.to(CPU) for one in joined((part.moved(CPU) for part in iter(stream)), 4)), CPU)
    for given in islice(stream, 2):
        feed.prepare()
        for one, other in zip(given.to(CPU).crops, feed.take().crops):
            assert torch.equal(one, other)


def test_a_network_trains_with_pairs_seen_again(jug, tmp_path):
    config = replace(QUICK, reuse=4, pool_pairs=16)
    train([jug], SCENE, config, tmp_path)
    with (tmp_path / "log.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert int(row["step"]) == 4 and np.isfinite(float(row["loss"]))


@pytest.mark.parametrize(
    "options, words", [({"reuse": 3}, "multiple of 3"), ({"reuse": 2, "pool_pairs": 4}, "pool_pairs")]
)
def test_pairs_that_cannot_be_reused_so_are_refused(jug, tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        train([jug], SCENE, replace(QUICK, **options), tmp_path)


def test_a_run_ends_by_the_clock_with_its_schedule(jug, tmp_path):
    """Its rate has come down by then, and the same command has nothing left to do."""
    config = replace(QUICK, minutes=0.1, log_every=1, validate_every=10_000, warmup_steps=0)
    path = train([jug], SCENE, config, tmp_path)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    rates = [float(row["learning_rate"]) for row in rows]
    assert len(rows) > 4 and rates[-1] < 0.1 * config.learning_rate and rates[-1] == min(rates)
    assert 6 <= torch.load(tmp_path / "checkpoint.pt", weights_only=True)["facts"]["seconds"] < 20
    before = path.read_bytes()
    train([jug], SCENE, config, tmp_path)
    assert path.read_bytes() == before
    path.unlink()
    with pytest.raises(ValueError, match="minutes above 0.1"):
        train([jug], SCENE, config, tmp_path)


def test_a_duration_by_steps_does_not_look_at_the_clock():
    duration = Duration(steps=10, minutes=0, seconds=1e6)
    assert duration.expected_steps(3) == 10 and duration.share(5) == 0.5
    assert not duration.is_over(9) and duration.is_over(10) and "steps above 10" in duration.longer(10)


def test_a_duration_by_time_expects_steps_at_the_pace_so_far():
    duration = Duration(steps=10, minutes=2, seconds=30)
    assert duration.expected_steps(100) == 400 and not duration.is_over(10_000)
    duration.seconds = 120
    assert duration.is_over(1) and duration.after(30).seconds == 30
