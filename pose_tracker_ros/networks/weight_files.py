"""Files of weights: safetensors that say in their metadata, as JSON, what a network was trained for.

What they say is read without torch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from safetensors import SafetensorError, safe_open

if TYPE_CHECKING:
    from torch import nn

Info = TypeVar("Info")


@dataclass(frozen=True)
class WeightFiles(Generic[Info]):
    """The files of one kind of network.

    kind: what people call it; command: by which it is trained; key: of the metadata; version: of the format;
    info: dataclass of what the metadata say, with a field ``version``; half_from: tensors of so many dimensions and more are
    kept in half precision, which halves the file.
    """

    kind: str
    command: str
    key: str
    version: int
    info: type[Info]
    half_from: int = 2

    def save(self, path: Path, network: nn.Module, info: Info) -> None:
        """Write a network; whoever reads meanwhile sees the old file or the new one."""
        from safetensors.torch import save_file

        tensors = {
            name: (tensor.half() if tensor.dim() >= self.half_from else tensor).detach().cpu().contiguous()
            for name, tensor in network.state_dict().items()
        }
        temporary = path.with_suffix(".partial")
        save_file(tensors, temporary, metadata={self.key: json.dumps(asdict(info))})
        temporary.replace(path)

    def read_info(self, path: str | Path) -> Info:
        """What the network of a file was trained for.

        Raises FileNotFoundError when there is no file, ValueError when it is not one of this kind or cut off.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"expected {self.kind} weights at {path}, but there is no such file; train them: {self.command}"
            )
        try:
            with safe_open(path, framework="np") as file:
                metadata = json.loads((file.metadata() or {}).get(self.key, "null"))
        except (SafetensorError, ValueError) as error:
            raise ValueError(
                f"expected complete safetensors weights at {path}: {error}; copy or train them again"
            ) from error
        if not isinstance(metadata, dict) or metadata.get("version") != self.version:
            raise ValueError(
                f"expected {self.kind} weights of this package in format {self.version} at {path}; train them: {self.command}"
            )
        try:
            return self.info(**metadata)
        except TypeError as error:
            raise ValueError(f"the weights {path} say other things than this version reads: {error}; train them again") from error

    def fill(self, network: nn.Module, path: str | Path) -> None:
        """Give a network the tensors of a file; raises ValueError where they do not fit."""
        from safetensors.torch import load_file

        state = network.state_dict()
        try:
            network.load_state_dict({name: value.to(state[name].dtype) for name, value in load_file(path).items()})
        except (RuntimeError, KeyError) as error:
            raise ValueError(
                f"the weights {path} do not fit the {self.kind} network they name: {error}; train them again"
            ) from error
