"""Batches on their way to the device that computes with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch


class Feed:
    """Batches on a device. On a GPU the next one is made ready while it computes with the last."""

    def __init__(self, batches: Iterator[Any], device: torch.device) -> None:
        """``batches``: named tuples that come to be on the device when they are asked for."""
        self._batches, self._device = batches, device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._ready: Any = None

    def prepare(self) -> None:
        """Called once a step is under way: brings the next batch to a GPU."""
        if self._stream is not None:
            with torch.cuda.stream(self._stream):
                self._ready = next(self._batches)

    def take(self) -> Any:
        """The next batch."""
        if self._stream is None:
            return next(self._batches)
        if self._ready is None:
            self.prepare()
        batch, self._ready = self._ready, None
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(self._stream)
        _record(batch, current)
        return batch


def _record(part: Any, stream: torch.cuda.Stream) -> None:
    """Tell torch's memory that tensors made on another stream are in use on this one."""
    if isinstance(part, torch.Tensor):
        part.record_stream(stream)
    else:
        for one in part:
            _record(one, stream)
