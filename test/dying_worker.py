"""A data set whose worker ends without a word, as one does that the system kills for lack of memory."""

import os
import signal

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
