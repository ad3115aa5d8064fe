"""Started by torchrun: prints by how much the gradient of a shared batch differs from that of the whole, in float64."""

import sys

import torch

from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.training.distributed import ShareOfBatches, joined_processes
from pose_tracker_ros.training.optimisation import TrainingLoss
from pose_tracker_ros.training.pairs import Batch
from pose_tracker_ros.training.stored_pairs import StoredPairs


def in_double(batch):
    crops, translation, rotation = batch
    return Batch(type(crops)(*(tensor.double() for tensor in crops)), translation.double(), rotation.double())


def loss_of(network_name, loss_name, statistics):
    torch.manual_seed(0)
    network = create_network(network_name, 0.2, 0.35).double()
    network.set_statistics(statistics.crops)
    return TrainingLoss(network, loss_name).train()


def gradient(module):
    return torch.cat([parameter.grad.flatten() for parameter in module.parameters()])


def main(dataset, network_name, loss_name):
    torch.set_num_threads(1)
    with joined_processes("cpu") as processes:
        stored = StoredPairs(dataset)
        whole = in_double(stored.read(0))
        alone = loss_of(network_name, loss_name, whole)
        alone(*whole).mean().backward()
        # The other process starts with weights of its own, which must not matter.
        shared = loss_of(network_name, loss_name, whole)
        if not processes.is_first:
            torch.nn.init.ones_(next(shared.parameters()))
        shared = processes.together(shared)
        terms = shared(*in_double(next(iter(ShareOfBatches(stored, processes)))))
        (terms.total * processes.size / processes.sum(terms.weight)).backward()
        expected = gradient(alone)
        if processes.is_first:
            print("difference", ((gradient(shared) - expected).norm() / expected.norm()).item())
            running = [name for name, _ in alone.named_buffers() if "running" in name]
            buffers = dict(shared.module.named_buffers())
            print(
                "buffers",
                max((buffers[name] - dict(alone.named_buffers())[name]).abs().max().item() for name in running),
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
