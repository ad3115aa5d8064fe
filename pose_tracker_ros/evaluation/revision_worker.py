"""Another revision of this repository in a folder of its own, and a process that runs sequences with its code."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pose_tracker_ros.evaluation.scene_folder import OTHER_CODE

WORKING_TREE = "."
PACKAGE = "pose_tracker_ros"
WORKER_MODULE = "pose_tracker_ros.evaluation.scene_worker"
# What results depend on, besides the code.
DATA_FOLDERS = ("config", "models")


@contextmanager
def checked_out(repository: Path, revision: str) -> Iterator[Path]:
    """A folder with a revision of the repository, beside its working tree; it is removed in the end.

    The working tree itself is named ``.``, and stays where it is. Raises ValueError where there is no such revision, or no
    git repository at all.
    """
    if revision == WORKING_TREE:
        yield repository
        return
    prefix = _git(repository, "rev-parse", "--show-prefix")
    try:
        commit = _git(repository, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    except ValueError as error:
        raise ValueError(f"expected a revision that git knows in {repository}, got {revision!r}; see git log") from error
    # Git, the linter and the tests pass over build/.
    parent = repository / "build"
    parent.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"revision-{commit[:8]}-", dir=parent))
    try:
        _git(repository, "worktree", "add", "--quiet", "--detach", str(folder), commit)
    except ValueError:
        shutil.rmtree(folder)
        raise
    try:
        yield folder / prefix
    finally:
        _git(repository, "worktree", "remove", "--force", str(folder))


def checkout_checksum(checkout: Path) -> str:
    """A checksum of what results of a checkout depend on: code, configuration, models and weights."""
    package = checkout / PACKAGE
    files = [path for path in package.rglob("*") if path.relative_to(package).parts[0] not in OTHER_CODE]
    files += [path for name in DATA_FOLDERS for path in (checkout / name).rglob("*")]
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(files):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(checkout)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


class RevisionWorker:
    """A process that answers requests as :mod:`scene_worker` says, with the code of a checkout. Used in ``with``."""

    def __init__(self, checkout: Path, name: str, command: Sequence[str] = ()) -> None:
        """Start the process; :meth:`wait_until_ready` says when it has loaded everything.

        Parameters: ``name`` of the revision in messages; ``command`` that is run, default this Python with the worker's
        module. Raises ValueError where the checkout has no such module.
        """
        self.name = name
        self._package = (checkout / PACKAGE).resolve()
        if not command and not checkout.joinpath(*WORKER_MODULE.split(".")).with_suffix(".py").is_file():
            raise self._too_old()
        command = command or [sys.executable, "-m", WORKER_MODULE]
        path = os.pathsep.join(filter(None, [str(checkout), os.environ.get("PYTHONPATH")]))
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 closed with the process
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            # Models are first looked for where one is.
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": path},
            # An interrupt from the keyboard is for the program that asks.
            start_new_session=True,
        )

    def __enter__(self) -> RevisionWorker:
        """The worker itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        # What was written to a process that had ended is still in the buffer.
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()

    def wait_until_ready(self) -> None:
        """Return when requests will be answered at once.

        Raises ValueError where the process runs other code than the checkout's, or code that is too old to say.
        """
        answer = self._answer({"ask": "package"})
        if "package" not in answer:
            raise self._too_old()
        if Path(answer["package"]) != self._package:
            raise ValueError(
                f"expected {self.name} to run the code in {self._package}, but it runs that in {answer['package']}; look "
                "what PYTHONPATH and this Python's site-packages bring"
            )

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The one answer to a request; raises ValueError for an answer that reports an error, or when the process ended."""
        answer = self._answer(request)
        if "error" in answer:
            raise ValueError(f"{self.name}: {answer['error']}")
        return answer

    def _answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ValueError(f"the process of {self.name} has ended by itself: {self._last_error()}")
        return json.loads(line)

    def _last_error(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1] if lines else f"exit code {code}, without a word"

    def _too_old(self) -> ValueError:
        return ValueError(
            f"expected a revision that can run sequences on request ({WORKER_MODULE} with its present protocol), which "
            f"{self.name} cannot; it needs this revision or a later one"
        )


def _git(repository: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True)
    except FileNotFoundError as error:
        raise ValueError("expected git, which checks revisions out, but it is not installed") from error
    if done.returncode:
        raise ValueError(f"git {' '.join(arguments)} failed in {repository}: {done.stderr.strip()}")
    return done.stdout.strip()
