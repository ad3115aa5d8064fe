"""Where compiled kernels are kept, and what happens to a cache that is old, damaged, not writable or filled by two."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pose_tracker_ros.kernels import cache, compilation

REPOSITORY = Path(__file__).resolve().parents[2]
TINY_KERNEL = """
from pose_tracker_ros.kernels.compilation import CACHE_FOLDER, kernel

@kernel("float64(float64[::1], int64)")
def pick(values, index):
    return 2 * values[index]
"""
PROGRAM = """
import sys, numpy, tiny
print(tiny.pick(numpy.array([1.0, 2.0]), int(sys.argv[1])), len(tiny.pick.stats.cache_hits), tiny.CACHE_FOLDER)
"""


class Tiny:
    """Starts processes that use a kernel of their own, with a cache of their own unless variables say else."""

    def __init__(self, module: Path, cache: Path) -> None:
        self.cache = cache
        self._path = os.pathsep.join([str(module), str(REPOSITORY)])

    def __call__(self, index: int = 1, **variables: str) -> subprocess.Popen:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
        places = {"PYTHONPATH": self._path, "POSE_TRACKER_KERNEL_CACHE": str(self.cache)}
        command = [sys.executable, "-c", PROGRAM, str(index)]
        environment = {**inherited, **places, **variables}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def tiny(tmp_path):
    """With an empty cache."""
    (tmp_path / "tiny.py").write_text(TINY_KERNEL)
    return Tiny(tmp_path, tmp_path / "cache")


@pytest.fixture(scope="module")
def compiled_once(tmp_path_factory):
    """Folder with the kernel's module and a cache, filled by two processes at once."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.py").write_text(TINY_KERNEL)
    start = Tiny(folder, folder / "cache")
    processes = [start(), start()]
    assert [outcome(process)[0] for process in processes] == [4.0, 4.0]
    return folder


@pytest.fixture
def warm_tiny(compiled_once, tmp_path):
    """With a filled cache."""
    shutil.copytree(compiled_once / "cache", tmp_path / "cache")
    return Tiny(compiled_once, tmp_path / "cache")


def outcome(process: subprocess.Popen) -> tuple[float, int, Path, str]:
    """Result, kernels found in the cache, its folder, and what the process wrote to stderr."""
    printed, complaints = process.communicate(timeout=120)
    assert process.returncode == 0, complaints
    result, hits, folder = printed.split()
    return float(result), int(hits), Path(folder), complaints


def test_a_kernel_is_found_in_the_cache_also_where_two_filled_it_or_it_was_copied(warm_tiny):
    result, hits, folder, complaints = outcome(warm_tiny())
    assert (result, hits, complaints) == (4.0, 1, "")
    assert folder.is_relative_to(warm_tiny.cache) and list(folder.rglob("tiny.pick-*.nbc"))


def test_the_same_sources_elsewhere_find_it_too(compiled_once, warm_tiny, tmp_path):
    """As in the checkout of another revision."""
    elsewhere = tmp_path / "elsewhere" / compiled_once.name
    elsewhere.mkdir(parents=True)
    shutil.copy2(compiled_once / "tiny.py", elsewhere)
    assert outcome(Tiny(elsewhere, warm_tiny.cache)())[:2] == (4.0, 1)


@pytest.mark.parametrize(
    ("suffix", "damage"), [("nbi", "emptied"), ("nbc", "truncated"), ("nbi", "garbled"), ("nbc", "garbled")]
)
def test_a_damaged_cache_is_mended_with_one_line(warm_tiny, suffix, damage):
    (file,) = warm_tiny.cache.rglob(f"*.{suffix}")
    content = file.read_bytes()
    # What follows the version of the compiler, which must fit for anything else to be read.
    garbled = content[:20] + bytes(byte ^ 0x5A for byte in content[20:])
    file.write_bytes({"truncated": content[: len(content) // 2], "emptied": b"", "garbled": garbled}[damage])
    result, hits, _, complaints = outcome(warm_tiny())
    assert (result, hits) == (4.0, 0)
    assert len(complaints.splitlines()) == 1 and "pick was damaged" in complaints
    result, hits, _, complaints = outcome(warm_tiny())
    assert (result, hits, complaints) == (4.0, 1, "")


def test_an_edited_kernel_is_compiled_again(tiny, tmp_path):
    outcome(tiny())
    (tmp_path / "tiny.py").write_text(TINY_KERNEL.replace("2 *", "200 *"))
    result, hits, _, _ = outcome(tiny())
    assert (result, hits) == (400.0, 0)


@pytest.mark.parametrize("variable", ["POSE_TRACKER_KERNEL_CACHE", "NUMBA_CACHE_DIR"])
def test_a_folder_that_cannot_be_written_gives_way_to_a_temporary_one_with_one_line(tiny, tmp_path, variable):
    (tmp_path / "file").write_text("in the way")
    result, _, folder, complaints = outcome(tiny(**{variable: str(tmp_path / "file" / "cache")}))
    assert result == 4.0 and not folder.exists()
    assert len(complaints.splitlines()) == 1 and "set POSE_TRACKER_KERNEL_CACHE to one" in complaints


def test_numba_s_own_variable_counts_more(tiny, tmp_path):
    result, _, folder, complaints = outcome(tiny(NUMBA_CACHE_DIR=str(tmp_path / "mine")))
    assert (result, complaints) == (4.0, "") and folder.is_relative_to(tmp_path / "mine")
    assert list(folder.rglob("tiny.pick-*.nbc")) and not tiny.cache.exists()


def test_bounds_are_checked_on_request_in_a_cache_of_their_own(warm_tiny):
    process = warm_tiny(index=2, NUMBA_BOUNDSCHECK="1")
    _, complaints = process.communicate(timeout=120)
    assert process.returncode == 1 and "IndexError" in complaints
    assert len(list(warm_tiny.cache.glob("*-boundscheck/*"))) == 1


def test_kernels_of_other_processors_do_not_get_mixed_up(warm_tiny):
    generic = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    result, hits, _, _ = outcome(warm_tiny(**generic))
    assert (result, hits) == (4.0, 0 if compilation.portable_cpu() != ("generic", "") else 1)
    assert outcome(warm_tiny())[1] == 1


def test_the_folder_of_our_kernels_is_named_by_their_sources():
    assert compilation.CACHE_FOLDER.name == cache.source_hash(Path(compilation.__file__).parent.glob("*.py"))


def test_the_hash_of_sources_changes_with_any_of_them(tmp_path):
    one, other = tmp_path / "a.py", tmp_path / "b.py"
    one.write_text("x = 1")
    other.write_text("y = 2")
    before = cache.source_hash([one, other])
    assert before == cache.source_hash([other, one]) and re.fullmatch("[0-9a-f]{16}", before)
    other.write_text("y = 3")
    assert cache.source_hash([one, other]) != before
    one.write_text("x = 1y")
    other.write_text(" = 2")
    assert cache.source_hash([one, other]) != before


def test_of_old_sources_the_last_used_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_TRACKER_KERNEL_CACHE", str(tmp_path))
    others = tmp_path / "numba" / "no folder of ours"
    others.mkdir(parents=True)
    names = [f"{number:016x}" for number in range(5)]
    for age, name in enumerate(names):
        folder = cache.cache_folder("numba", name)
        (folder / "kernel").touch()
        os.utime(folder, (1000 + age, 1000 + age))
    assert cache.cache_folder("numba", names[2]) == tmp_path / "numba" / names[2]
    cache.cache_folder("numba", f"{9:016x}")
    kept = {path.name for path in (tmp_path / "numba").iterdir()}
    assert kept == {names[2], names[4], f"{9:016x}", others.name}


def test_the_cache_is_in_the_user_s_cache_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("POSE_TRACKER_KERNEL_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_root() == tmp_path / "pose_tracker_ros" / "kernels"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.cache_root() == tmp_path / "home" / ".cache" / "pose_tracker_ros" / "kernels"


@pytest.fixture
def homeless(tmp_path, monkeypatch):
    """A user without a place for caches; gives what becomes the temporary folder."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("POSE_TRACKER_KERNEL_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_user_without_a_home_keeps_kernels_in_a_folder_of_its_own(homeless):
    folder = cache.cache_folder("numba", "0" * 16)
    assert folder == cache.cache_folder("numba", "0" * 16) and folder.is_relative_to(homeless)
    own = homeless / f"pose_tracker_ros_{os.getuid()}"
    assert folder.is_relative_to(own) and own.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ["others may write", "a link", "a file"])
def test_kernels_are_not_taken_from_a_folder_that_may_be_anybodys(homeless, caplog, kind):
    own, elsewhere = homeless / f"pose_tracker_ros_{os.getuid()}", homeless / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    if kind == "others may write":
        own.mkdir()
        own.chmod(0o777)
    elif kind == "a link":
        own.symlink_to(elsewhere)
    else:
        own.touch()
    folder = cache.cache_folder("numba", "0" * 16)
    assert folder.name.startswith("pose_tracker_kernels_") and "compiled anew" in caplog.text
    assert not list(elsewhere.iterdir())


def test_the_folder_is_chosen_before_kernels_are_imported(monkeypatch):
    with pytest.raises(RuntimeError, match="before kernels are imported"):
        cache.use_cache_folder("/elsewhere")
    monkeypatch.delitem(sys.modules, "pose_tracker_ros.kernels.compilation")
    monkeypatch.setenv("POSE_TRACKER_KERNEL_CACHE", "")
    cache.use_cache_folder("/elsewhere")
    assert cache.cache_root() == Path("/elsewhere")


@pytest.mark.parametrize(
    ("machine", "flags", "expected"),
    [
        ("x86_64", compilation.X86_64_V3 | {"avx512f"}, ("x86-64-v3", "")),
        ("x86_64", compilation.X86_64_V3 - {"fma"}, ("generic", "")),
        ("x86_64", frozenset(), ("generic", "")),
        ("aarch64", frozenset(), None),
    ],
)
def test_kernels_are_made_for_a_kind_of_processor(monkeypatch, machine, flags, expected):
    monkeypatch.setattr(compilation.platform, "machine", lambda: machine)
    monkeypatch.setattr(compilation, "get_host_cpu_features", lambda: dict.fromkeys(flags, True) | {"sse4a": False})
    assert compilation.portable_cpu() == expected


def test_kernels_stay_within_their_arrays():
    """Their tests again, with bounds checked."""
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "timeout=0",
        "test/kernels/test_raster.py",
        "test/kernels/test_evidence.py",
    ]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stdout
