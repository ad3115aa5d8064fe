"""Started by torchrun: the gradients of a shared batch against those of the whole, a training in two parts, and one without end.

Arguments are a data set, the options of a training (YAML), its folder, the options of the one without end, its folder, and
pairs NETWORK/LOSS for the gradients. The last training is that of the command, which ends by a signal.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
import yaml

from pose_tracker_ros.cli import app
from pose_tracker_ros.networks.architectures import create_network
from pose_tracker_ros.objects import load_object
from pose_tracker_ros.training.distributed import ShareOfBatches, joined_processes
from pose_tracker_ros.training.optimisation import TrainingLoss
from pose_tracker_ros.training.pairs import Batch
from pose_tracker_ros.training.scene import SceneConfig
from pose_tracker_ros.training.stored_pairs import StoredPairs
from pose_tracker_ros.training.train import TrainConfig, train


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


def difference_of(dataset, network_name, loss_name, processes):
    """Of a network with a loss: the gradient's relative difference, and the largest of running statistics."""
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
    running = [name for name, _ in alone.named_buffers() if "running" in name]
    buffers, expected_buffers = dict(shared.module.named_buffers()), dict(alone.named_buffers())
    return (
        ((gradient(shared) - expected).norm() / expected.norm()).item(),
        max((buffers[name] - expected_buffers[name]).abs().max().item() for name in running),
    )


def main(dataset, options, output, endless_options, endless_output, *networks_and_losses):
    torch.set_num_threads(1)
    endless = ["train", "cube", "--no-install", "--config", endless_options, "--output", endless_output]
    options = yaml.safe_load(Path(options).read_text())
    scene, config = SceneConfig(resolution=options.pop("resolution")), TrainConfig(**options)
    with joined_processes("cpu") as processes:
        for pair in networks_and_losses:
            differences = difference_of(dataset, *pair.split("/"), processes)
            if processes.is_first:
                print("of", pair, *differences, flush=True)
        for steps in (config.steps // 2, config.steps):
            train([load_object("cube")], scene, replace(config, steps=steps), Path(output), dataset=Path(dataset))
        app(endless)


if __name__ == "__main__":
    main(*sys.argv[1:])
