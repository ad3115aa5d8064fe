"""Data sets whose workers end without a word, as one does that the system kills for lack of memory, or not when told to."""

import os
import signal
import time

import torch
from torch.utils.data import IterableDataset, get_worker_info


class DyingStream(IterableDataset):
    def __init__(self, killed):
        self.killed = killed

    def __iter__(self):
        yield torch.zeros(1)
        if get_worker_info() and self.killed:
            os.kill(os.getpid(), signal.SIGKILL)
        if get_worker_info():
            os._exit(9)


class BadlyEndingStream(IterableDataset):
    """Told to end, the first worker does not, and the others fail."""

    def __iter__(self):
        try:
            while True:
                yield torch.zeros(1)
        finally:
            if get_worker_info().id == 0:
                time.sleep(3600)
            os._exit(9)
