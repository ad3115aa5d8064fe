"""Where compiled kernels are kept between runs, and for which processor they are made."""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import platform
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

logger = logging.getLogger(__name__)

FOLDER_VARIABLE = "POSE_TRACKER_KERNEL_CACHE"
# Of the sources, in the cache: those of some checkouts or updates; 64 bits of their hash tell them apart.
KEPT_VERSIONS = 3
HASH_DIGITS = 16
# What the level v3 of the x86-64 psABI asks for, as Linux names it (abm is lzcnt).
X86_64_V3 = frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"})


def use_cache_folder(path: str | Path) -> None:
    """Keep compiled kernels in this folder; to be called before the first kernel is imported.

    Raises RuntimeError when it is too late.
    """
    if "pose_tracker_ros.kernels.compilation" in sys.modules:
        raise RuntimeError("expected the kernel cache to be chosen before kernels are imported; do that first")
    os.environ[FOLDER_VARIABLE] = str(path)


def cache_root() -> Path:
    """The folder that POSE_TRACKER_KERNEL_CACHE names, else one in the user's cache folder.

    Raises RuntimeError when there is no such variable and the user has no home.
    """
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named).expanduser().absolute()
    user_caches = os.environ.get("XDG_CACHE_HOME", "")
    caches = Path(user_caches) if os.path.isabs(user_caches) else Path.home() / ".cache"
    return caches / "pose_tracker_ros" / "kernels"


def private_root() -> Path:
    """A folder of this user alone below the temporary folder; raises OSError where it may be somebody else's.

    What lies in it is run, and everybody may write to the temporary folder.
    """
    root = Path(tempfile.gettempdir()) / f"pose_tracker_ros_{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    status = root.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(f"expected {root} to be this user's alone")
    return root / "kernels"


def source_hash(paths: Iterable[Path]) -> str:
    """16 hexadecimal digits that change when any of the files does."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:HASH_DIGITS]


def cache_folder(versions: str, sources: str) -> Path:
    """A writable folder for the kernels of some ``versions`` (of compiler and Python) and a hash of their ``sources``.

    Of folders for other sources the last used ones stay, older ones are removed. Where a user has no place for caches, as one
    without a home, it is below the temporary folder; where nothing can be written it lasts as long as the process, with a warning.
    """
    reason: Exception
    for root in (cache_root,) if os.environ.get(FOLDER_VARIABLE) else (cache_root, private_root):
        try:
            folder = root() / versions / sources
            make_writable(folder)
        except (OSError, RuntimeError) as error:
            reason = error
            continue
        os.utime(folder)
        _remove_old(folder.parent)
        return folder
    return temporary_folder(reason)


def make_writable(folder: Path) -> None:
    """Make the folder unless it is there; raises OSError when files cannot be written in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def temporary_folder(reason: Exception) -> Path:
    """A private folder that is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="pose_tracker_kernels_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    logger.warning(
        "kernels are compiled anew by every process, which takes some seconds: expected a writable folder to keep them "
        "in, got %s; set %s to one",
        reason,
        FOLDER_VARIABLE,
    )
    return Path(folder)


def portable_cpu() -> tuple[str, str] | None:
    """LLVM's name and features of the processor to compile for, so that a cache fits other machines of its kind, too.

    x86-64-v3 where this machine has that, else the plain instruction set; None (as the compiler likes) on other kinds.
    """
    if platform.machine() not in {"x86_64", "AMD64"}:
        return None
    return ("x86-64-v3", "") if _cpu_flags() >= X86_64_V3 else ("generic", "")


def _cpu_flags() -> set[str]:
    try:
        information = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    flags = re.search(r"^flags\s*:(.*)$", information, re.MULTILINE)
    return set(flags.group(1).split()) if flags else set()


def _remove_old(parent: Path) -> None:
    """Remove all but the last used folders of sources; others may use them at the moment, so failures do not matter."""
    named = [path for path in parent.iterdir() if re.fullmatch(rf"[0-9a-f]{{{HASH_DIGITS}}}", path.name)]
    for path in sorted(named, key=_last_used, reverse=True)[KEPT_VERSIONS:]:
        shutil.rmtree(path, ignore_errors=True)


def _last_used(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
