"""Gradients exchanged through memory: the mean of everyone's, wherever there is such memory."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
import torch
from simvp.config import assignment_layer, resolve
from simvp.runtime.group import process_group
from simvp.engine import build_network, exchange
from simvp.engine.learner import Learner
from simvp.runtime.launcher import leave

settings = ["train.precision=fp32", "train.optimizer=adam", "train.batch_size=2"]
settings += ["train.compile=false", "model.boundary=zeros", "model.hid_T=192", "model.N_T=2"]

def in_line(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])

config = resolve([assignment_layer(text) for text in settings])
with process_group("cpu", timeout_minutes=1) as group:
    torch.manual_seed(0)
    network = build_network(config, (1, 16, 16), group.device).train()
    learner = Learner(config, network, group)
    parameters = list(network.parameters())
    told, exchanged = [], []
    tell, update = torch.distributed.all_reduce, learner.optimizer.step

    def counted(*arguments, **options):
        told.append(arguments)
        return tell(*arguments, **options)

    def kept(*arguments, **options):
        exchanged[:] = [p.grad.clone() for p in parameters]
        update(*arguments, **options)

    torch.distributed.all_reduce, learner.optimizer.step = counted, kept
    torch.manual_seed(group.rank)
    for step in range(4):  # after the first, which has one bucket, there are several
        frames = torch.rand(2, 20, 1, 16, 16)
        loss = torch.nn.functional.mse_loss(network(frames[:, :10], 10), frames[:, 10:])
        own = torch.autograd.grad(loss, parameters)
        told.clear()
        learner.step(frames, lr_factor=1.0, beta1=0.9)
        assert len(told) > (step > 0) or sys.platform != "linux", "not through memory"
        mean = group.sum(in_line(own)) / group.world_size
        found = in_line(exchanged)
        torch.testing.assert_close(found, mean, rtol=1e-4, atol=1e-6)
        assert torch.equal(found, group.gather(found)[0]), "not the same everywhere"

    if group.rank == 2:
        known, exchange._BOOT_ID = exchange._BOOT_ID, Path("hidden")
    assert exchange.shared_gradients(group, 10) is None, "one has no such memory"
    if group.rank == 2:
        exchange._BOOT_ID = known
    usable = exchange.shared_gradients(group, 10) is not None
    assert usable == (sys.platform == "linux"), "all could"

    def forbidden(path, count):
        raise PermissionError(path)

    if group.rank == 1:
        exchange._region = forbidden
    assert exchange.shared_gradients(group, 10) is None, "one cannot, but others would"
leave(0)  # as all processes of a group do
"""


def test_it_is_the_mean_and_the_same_everywhere(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "3"]
    result = subprocess.run([*launcher, str(program)], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
