"""Data sets whose worker ends without a word, as one that the system kills for lack of memory, or never ends."""

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


class StuckStream(IterableDataset):
    def __iter__(self):
        yield torch.zeros(1)
        time.sleep(3600)
        yield torch.zeros(1)
