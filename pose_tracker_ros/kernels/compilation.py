"""How kernels are compiled: when they are imported, for given types only, into a cache of ours."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numba
from llvmlite.binding import get_host_cpu_features
from numba.core.caching import UserProvidedCacheLocator

from pose_tracker_ros.kernels.cache import cache_folder, source_hash

logger = logging.getLogger(__name__)

# Other threads run beside kernels; division by zero raises nothing; sums may be reordered, so that they are vectorised.
OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": True}
# What the level v3 of the x86-64 psABI asks for, as LLVM names it.
X86_64_V3 = frozenset({"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"})


class FolderOfSources(UserProvidedCacheLocator):
    """Places in the cache that do not depend on where a module lies: another checkout of the same sources finds them."""

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """Folder, below the cache's, of the kernels of a file; by itself numba puts a hash of the path into it."""
        return Path(py_file).parent.name


def portable_cpu() -> tuple[str, str] | None:
    """LLVM's name and features of the processor to compile for, so that a cache fits other machines of its kind, too.

    x86-64-v3 where this machine has that, else the plain instruction set; None (as the compiler likes) on other kinds.
    """
    if platform.machine() not in {"x86_64", "AMD64"}:
        return None
    has = {name for name, is_there in get_host_cpu_features().items() if is_there}
    return ("x86-64-v3", "") if has >= X86_64_V3 else ("generic", "")


def _configured_cache() -> Path:
    """Tell numba where to keep what it compiles, and for which processor, unless the user has (NUMBA_... variables).

    Not by those variables: a child process would take ours for the user's.
    """
    versions = f"numba-{numba.__version__}-python-{'.'.join(platform.python_version_tuple()[:2])}"
    if numba.config.BOUNDSCHECK:
        versions += "-boundscheck"
    folder = cache_folder(versions, source_hash(Path(__file__).parent.glob("*.py")))
    # Its name is a hash of what lies in it, so that places in it need none of the path.
    numba.config.CACHE_LOCATOR_CLASSES = f"{__name__}.{FolderOfSources.__name__}"
    numba.config.CACHE_DIR = str(folder)
    cpu = portable_cpu()
    if cpu and not {"NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"} & set(os.environ):
        numba.config.CPU_NAME, numba.config.CPU_FEATURES = cpu
    return folder


CACHE_FOLDER = _configured_cache()


def kernel(*signatures: str) -> Callable[[Callable], Any]:
    """Decorator: compile a function for these types now, or load it from the cache.

    Other types, arrays that are not contiguous among them, raise TypeError when it is called. Floats must be finite, as
    the compiler relies on it. The function may call what :func:`helper` decorates, also in another file of this folder.
    """

    def decorate(function: Callable) -> Any:
        compiled = partial(numba.njit(list(signatures), cache=True, **OPTIONS), function)
        try:
            return compiled()
        except Exception as error:  # what a damaged file raises depends on its bytes
            if not _forget(function):
                raise
            result = compiled()
            logger.warning("the cached kernel %s was damaged (%s): compiled again", function.__name__, error)
            return result

    return decorate


helper = numba.njit(**OPTIONS)


def _forget(function: Callable) -> bool:
    """Remove a function's cached files; False when there were none."""
    code = function.__code__
    name = f"{Path(code.co_filename).stem}.{function.__qualname__}-{code.co_firstlineno}.*.nb[ic]"
    files = list(CACHE_FOLDER.rglob(name))
    for file in files:
        file.unlink(missing_ok=True)
    return bool(files)
