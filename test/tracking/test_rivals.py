"""Turns that an object's shape hardly tells from none, and how what is seen from several sides tells them."""

from types import SimpleNamespace

import numpy as np
import pytest
import trimesh
from scipy.spatial.distance import cdist

from pose_tracker_ros.geometry import rotation_angle, so3_exp
from pose_tracker_ros.objects import ObjectModel, painted_mesh
from pose_tracker_ros.tracking.noise import NoiseModel
from pose_tracker_ros.tracking.rivalry import SCATTER, Rivalry, turn_log_odds
from pose_tracker_ros.tracking.rivals import alike_turns
from pose_tracker_ros.tracking.searcher import Searcher

RED, BLUE = (200, 60, 40), (40, 60, 200)
WHOLE = (0, 0, 0), (0.20, 0.12, 0.05), RED
TURNS = np.stack([np.eye(3), *so3_exp(np.pi * np.eye(3))])
AHEAD, ASIDE = np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])


def box(*parts, **options):
    """A red box, or parts (middle, size, colour)."""
    solids = [(trimesh.creation.box(extents).apply_translation(np.add(middle, (0.01, 0.02, 0.03))), color) for middle, extents, color in parts or [WHOLE]]
    return ObjectModel.from_mesh("box", painted_mesh(solids), **options)


def test_a_box_of_two_colours_is_alike_after_the_three_half_turns():
    model = box(*[((side, 0, 0), (0.10, 0.12, 0.05), color) for side, color in ((-0.05, RED), (0.05, BLUE))])
    told, untold = alike_turns(model, NoiseModel())
    assert len(untold) == 0 and np.array_equal(told[0], np.eye(4))
    corners = model.mesh.vertices.astype(np.float64)
    for turn in told[1:]:
        moved = corners @ turn[:3, :3].T + turn[:3, 3]
        assert cdist(moved, corners).min(axis=1).max() < 1e-6
    assert sorted(np.degrees(rotation_angle(turn[:3, :3])) for turn in told[1:]) == pytest.approx([180] * 3, abs=1e-3)


def test_nothing_tells_turns_of_a_box_of_one_colour():
    told, untold = alike_turns(box(), NoiseModel())
    assert len(told) == 0 and len(untold) == 3


def test_shape_tells_turns_of_a_box_of_one_colour_with_a_handle():
    told, untold = alike_turns(box(WHOLE, ((0.05, 0, 0.045), (0.05, 0.03, 0.04), RED)), NoiseModel())
    assert len(told) > 1 and len(untold) == 0


def test_what_is_declared_to_be_the_same_is_no_rival():
    half_turns = np.stack([np.diag([*signs, 1.0]) for signs in ((1, -1, -1), (-1, 1, -1), (-1, -1, 1))])
    assert [len(turns) for turns in alike_turns(box(discrete_symmetries=half_turns), NoiseModel())] == [0, 0]


def test_what_has_no_second_side_has_no_rivals():
    parts = [trimesh.creation.box(size) for size in ((0.20, 0.03, 0.03), (0.03, 0.12, 0.03), (0.03, 0.03, 0.16))]
    for axis, part in enumerate(parts):
        part.apply_translation(np.eye(3)[axis] * part.extents[axis] / 2)
    model = ObjectModel.from_mesh("corner", painted_mesh([(part, RED) for part in parts]))
    assert [turns.shape for turns in alike_turns(model, NoiseModel())] == [(0, 4, 4)] * 2


def rivalry(*log_odds):
    return Rivalry(TURNS, np.array([0.0, *log_odds]))


def test_what_is_seen_from_other_sides_adds_up_and_the_same_side_counts_once():
    one = rivalry(-3.0, 0.0, 0.0).seen_from(AHEAD)
    for number in (1, 2, 3):
        assert one.next_untold == number
        one = one.compared(number, SCATTER)
    once = turn_log_odds(SCATTER)
    assert one.log_odds == pytest.approx([0, once - 3, once, once])
    assert one.next_untold is None and one.seen_from(so3_exp(np.array([0, 0.1, 0])) @ AHEAD).next_untold is None
    again = one.seen_from(ASIDE)
    assert again.next_untold == 1 and again.compared(1, SCATTER).log_odds == pytest.approx([0, 2 * once - 3, once, once])


def test_what_scatters_is_told_by_its_sign():
    """Against draws: how often the mean has the sign of one that was seen, of means that are as likely anywhere."""
    generator = np.random.default_rng(0)
    means = generator.uniform(-100, 100, 1_000_000)
    seen = means + SCATTER * generator.standard_normal(len(means))
    for log_ratio in (0.0, 3.0, -7.0):
        near = means[np.abs(seen - log_ratio) < 0.5]
        share = np.mean(near > 0)
        assert turn_log_odds(log_ratio) == pytest.approx(np.log(share / (1 - share)), abs=0.1)
    assert turn_log_odds(-200.0) < -100


def test_a_pose_is_told_when_no_other_is_left():
    assert not rivalry(-9.0, -1.0, -9.0).is_told
    assert rivalry(-9.0, -3.0, -9.0).is_told
    assert rivalry(-12.0, -3.0, -12.0).next_untold == 2
    assert Rivalry(np.zeros((0, 3, 3)), np.zeros(0)).is_told


@pytest.mark.parametrize(("known", "is_looked_at"), [(-9.0, False), (-3.0, True)])
def test_what_is_known_and_a_glance_may_refuse_a_rival(known, is_looked_at, monkeypatch):
    """What seems less likely by a deviation has log odds of -1.7 by that alone."""
    looks = []
    rival = SimpleNamespace(merit=-SCATTER, evidence=SimpleNamespace(is_present=False))
    monkeypatch.setattr(Searcher, "roughly_near", lambda *arguments: rival)
    monkeypatch.setattr(Searcher, "near", lambda *arguments: looks.append(arguments) or rival)
    searcher = Searcher(None, SimpleNamespace(alike=np.tile(np.eye(4), (4, 1, 1))), None, None, None, {})
    standing = searcher._told(SimpleNamespace(merit=0.0, camera_T_object=np.eye(4)), rivalry(known, 0.0, 0.0), 1)
    assert standing.rivalry.log_odds[1] == pytest.approx(known + turn_log_odds(-SCATTER)) and standing.has_compared
    assert (len(looks) == 1) == is_looked_at


def test_a_rival_that_takes_the_place_knows_the_old_pose_and_the_others():
    """Half turns about two axes are one about the third."""
    assert rivalry(4.0, 1.0, -2.0).taken(1).log_odds == pytest.approx([0, -4, -6, -3])


def test_a_rival_that_takes_the_place_was_seen_from_the_same_side():
    """Which is another one in its own axes."""
    old = rivalry(-1.0, -1.0, -1.0).seen_from(ASIDE)
    for number in (1, 2, 3):
        old = old.compared(number, 20.0 if number == 2 else 0.0)
    new = old.taken(2)
    assert new.seen_from(TURNS[2].T @ ASIDE) is new and new.seen_from(ASIDE) is not new


def test_turns_that_may_be_true_instead_widen_the_covariance_about_their_axis():
    turned = so3_exp(np.array([0, 0, np.pi / 2]))
    spread = rivalry(0.0, -9.0, -9.0).spread(turned)
    assert spread == pytest.approx(np.diag([0, np.pi**2 / 2, 0]), abs=1e-6)
    assert not rivalry(-3.0, -9.0, -9.0).spread(turned).any()
