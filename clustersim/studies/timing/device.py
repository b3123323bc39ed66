"""The device at hand, through PyTorch's own interface: CUDA, ROCm, Ascend NPUs and others alike; the processor last."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from typing import Any

from clustersim.errors import InputError, MissingExtraError, Problem
from clustersim.studies.timing.cases import AttentionCore, Case, Launch, Product, Streaming

Work = Callable[[], object]

BATCHES = 5  # of repetitions, of which the median counts
BATCH_S = 0.05  # seconds that a batch takes, about
MOST_REPEATS = 200  # of a batch: less than what queues of devices hold
KERNELS = 200  # small ones, one after the other
NORM = 4096  # elements of a row


def torch_module() -> Any:
    """PyTorch. Raises MissingExtraError where it isn't installed."""
    try:
        torch = import_module("torch")
    except ImportError as error:
        raise MissingExtraError("torch", "measure") from error
    if find_spec("torch_npu") is not None:
        import_module("torch_npu")  # registers Ascend's devices
    return torch


@dataclass(frozen=True)
class TorchDevice:
    """One device: how to make work on it, wait for it, and take its time."""

    torch: Any
    kind: str  # cuda (ROCm's too), npu, xpu, mps, cpu
    index: int = 0

    @property
    def place(self) -> Any:
        """For tensors."""
        return self.torch.device(self.kind, self.index) if self.kind not in ("cpu", "mps") else self.kind

    @property
    def module(self) -> Any:
        """torch.cuda, torch.npu, ..."""
        return getattr(self.torch, self.kind)

    @property
    def name(self) -> str:
        """As its maker calls it."""
        if self.kind == "cpu":
            return platform.processor() or platform.machine()
        return str(self.module.get_device_name(self.index)) if hasattr(self.module, "get_device_name") else self.kind

    @property
    def software(self) -> str:
        """PyTorch's version, and that of what it drives the device with."""
        version = self.torch.version
        driver = next((f", {name} {found}" for name in ("cuda", "hip") if (found := getattr(version, name, None))), "")
        return f"torch {self.torch.__version__}{driver}"

    @property
    def half(self) -> str:
        """The 16-bit precision that training would use here."""
        if self.kind in ("cpu", "mps"):
            return "bf16"
        supported = getattr(self.module, "is_bf16_supported", lambda: True)
        return "bf16" if supported() else "fp16"

    @property
    def free_bytes(self) -> float:
        """Memory that is free now; without end where the device doesn't say."""
        if self.kind == "cpu":
            return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        return float(self.module.mem_get_info(self.index)[0]) if hasattr(self.module, "mem_get_info") else float("inf")

    def wait(self) -> None:
        """Until all that was issued is done."""
        if self.kind != "cpu":
            self.module.synchronize()

    def tensor(self, *sizes: int, dtype: str) -> Any:
        """Random numbers: zeros draw less power, and clocks would rise."""
        types = {"bf16": self.torch.bfloat16, "fp16": self.torch.float16, "fp32": self.torch.float32}
        return self.torch.randn(*sizes, device=self.place, dtype=types[dtype])

    def seconds(self, work: Work, repeats: int) -> float:
        """Seconds of one repetition, host and device together, of so many in a row."""
        self.wait()
        began = time.perf_counter()
        for _ in range(repeats):
            work()
        self.wait()
        return (time.perf_counter() - began) / repeats

    def median_seconds(self, work: Work) -> float:
        """Of one repetition: the median of batches, after a first one that warms up.

        Repetitions follow each other as in training, so that long kernels hide what issuing them takes.
        """
        self.seconds(work, 1)
        once = self.seconds(work, 1)
        repeats = max(1, min(MOST_REPEATS, int(BATCH_S / max(once, 1e-7))))
        batches = BATCHES if once < 1.0 else 1
        return median(self.seconds(work, repeats) for _ in range(batches))


def device_at_hand(torch: Any, wanted: str | None = None, index: int = 0) -> TorchDevice:
    """The accelerator that PyTorch sees, the processor where it sees none; or the kind that is `wanted`.

    Raises InputError where that isn't there.
    """
    present = [kind for kind in ("cuda", "npu", "xpu", "mps") if _available(torch, kind)] + ["cpu"]
    kind = wanted or present[0]
    if kind not in present:
        raise InputError("--device", [Problem(f"PyTorch sees no {kind} here; it sees {', '.join(present)}")])
    device = TorchDevice(torch, kind, index)
    if kind not in ("cpu", "mps"):
        device.module.set_device(index)
    return device


def _available(torch: Any, kind: str) -> bool:
    module = getattr(torch, kind, None)
    return bool(module is not None and hasattr(module, "is_available") and module.is_available())


def work_of(case: Case, device: TorchDevice) -> Work:
    """A call that issues the work once, its tensors made beforehand."""
    torch, dtype = device.torch, case.dtype
    if isinstance(case, Product):
        rows, weights = device.tensor(case.m, case.k, dtype=dtype), device.tensor(case.n, case.k, dtype=dtype)
        out = device.tensor(case.m, case.n, dtype=dtype)
        return lambda: torch.mm(rows, weights.t(), out=out)
    if isinstance(case, AttentionCore):
        return _attention(case, device)
    if isinstance(case, Streaming):
        return _streaming(case, device)
    raise ValueError(f"no work on one device: {case.op}")


def _attention(case: AttentionCore, device: TorchDevice) -> Work:
    torch = device.torch
    sizes = (1, case.heads, case.sequence, case.head_size)
    inputs = [device.tensor(*sizes, dtype=case.dtype).requires_grad_(case.backward) for _ in range(3)]

    def attend() -> Any:
        return torch.nn.functional.scaled_dot_product_attention(*inputs, is_causal=True)

    if not case.backward:
        return attend
    output, gradient = attend(), device.tensor(*sizes, dtype=case.dtype)
    return lambda: torch.autograd.grad(output, inputs, gradient, retain_graph=True)


def _streaming(case: Streaming, device: TorchDevice) -> Work:
    torch, dtype = device.torch, case.dtype
    source, target = (device.tensor(case.elements // NORM, NORM, dtype=dtype) for _ in range(2))
    if case.op == "copy":
        return lambda: target.copy_(source)
    if case.op == "add":
        other = device.tensor(case.elements // NORM, NORM, dtype=dtype)
        return lambda: torch.add(source, other, out=target)
    return lambda: torch.nn.functional.layer_norm(source, (NORM,))


def launch_seconds(case: Launch, device: TorchDevice) -> float | None:
    """Seconds that one small kernel takes the host to issue, or the device to run behind others.

    The device's own are taken by its events while the host is ahead: the kernels queue up behind long products. None
    where the device has no events, or is the host itself.
    """
    one = device.tensor(1, dtype=case.dtype)
    issue = _host_seconds(lambda: one.add_(1.0), device)
    if case.op == "launch_host":
        return issue
    if device.kind == "cpu" or not hasattr(device.module, "Event"):
        return None
    long = work_of(Product(4096, 4096, 4096, device.half), device)
    head_start = 1 + int(2.0 * KERNELS * issue / device.median_seconds(long))
    return median(_device_seconds(lambda: one.add_(1.0), long, head_start, device) for _ in range(BATCHES))


def _host_seconds(work: Work, device: TorchDevice) -> float:
    """Seconds of issuing it, nobody waiting for the device."""

    def once() -> float:
        device.wait()
        began = time.perf_counter()
        for _ in range(KERNELS):
            work()
        return (time.perf_counter() - began) / KERNELS

    once()
    return median(once() for _ in range(BATCHES))


def _device_seconds(work: Work, long: Work, head_start: int, device: TorchDevice) -> float:
    before, after = (device.module.Event(enable_timing=True) for _ in range(2))
    device.wait()
    for _ in range(head_start):
        long()
    before.record()
    for _ in range(KERNELS):
        work()
    after.record()
    device.wait()
    return float(before.elapsed_time(after)) / 1e3 / KERNELS
