"""A training run under mpirun that a test disturbs while it goes on."""
import json
import os
import re
import signal
import subprocess
import time

import harness

INJECT_FAULT = os.environ.get("LONGHAUL_INJECT_FAULT", "")


def ranks_of(mpirun):
    """Process ids of the ranks that this mpirun started, by rank."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/status", encoding="utf-8") as file:
                parent = int(re.search(r"^PPid:\s+(\d+)", file.read(), re.M).group(1))
            if parent != mpirun:
                continue
            with open(f"/proc/{name}/environ", "rb") as file:
                rank = re.search(rb"OMPI_COMM_WORLD_RANK=(\d+)", file.read())
        except (OSError, AttributeError):
            continue
        if rank:
            found[int(rank.group(1))] = int(name)
    return found


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Run:
    """`longhaul train` with these flags on `ranks` ranks; ended at the latest by stop(). fault: what
    SIGUSR2 makes of a rank (inject_fault.cpp)."""

    def __init__(self, save, flags, ranks, fault=None):
        self.save = save
        self.output = save + ".out"
        self.size = ranks
        command = harness.command("train", *flags, ranks=ranks)
        if fault is not None:
            command[1:1] = ["-x", "LONGHAUL_TEST_FAULT=" + fault, "-x", "LD_PRELOAD=" + INJECT_FAULT]
        with open(self.output, "w", encoding="utf-8") as file:
            self.mpirun = subprocess.Popen(command, stdout=file, env=harness.ENVIRONMENT,
                                           stderr=subprocess.STDOUT)
        self.pids = {}

    def wait_for(self, condition, what, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            if self.mpirun.poll() is not None:
                raise AssertionError(f"ended before {what}:\n{self.text()}")
            if time.monotonic() > end:
                raise AssertionError(f"no {what} after {seconds} s:\n{self.text()}")
            time.sleep(0.01)
        self.pids = ranks_of(self.mpirun.pid)

    def wait_for_ranks(self):
        self.wait_for(lambda: len(ranks_of(self.mpirun.pid)) == self.size, "ranks")

    def wait_for_step(self, step):
        self.wait_for(lambda: self.steps() >= step, f"step {step}")

    def steps(self):
        try:
            with open(os.path.join(self.save, "train_log.jsonl"), "rb") as file:
                return file.read().count(b"\n")
        except FileNotFoundError:
            return 0

    def signal(self, number, rank=None):
        """To one rank, or to mpirun."""
        os.kill(self.mpirun.pid if rank is None else self.pids[rank], number)

    def catches(self, number, rank):
        """Has the rank come as far as to handle the signal itself? Loading the program takes a while."""
        with open(f"/proc/{self.pids[rank]}/status", encoding="utf-8") as file:
            caught = next(line.split()[1] for line in file if line.startswith("SigCgt:"))
        return bool(int(caught, 16) >> (number - 1) & 1)

    def finish(self, seconds=60):
        """The exit code, and how long mpirun took to end."""
        begin = time.monotonic()
        try:
            code = self.mpirun.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s:\n{self.text()}") from None
        return code, time.monotonic() - begin

    def left_over(self):
        """Ranks whose processes are still there a moment after mpirun has ended."""
        end = time.monotonic() + 3
        while time.monotonic() < end and any(alive(pid) for pid in self.pids.values()):
            time.sleep(0.05)
        return [rank for rank, pid in self.pids.items() if alive(pid)]

    def text(self):
        with open(self.output, encoding="utf-8", errors="replace") as file:
            return file.read()

    def failure(self):
        with open(os.path.join(self.save, "failure.json"), encoding="utf-8") as file:
            return json.load(file)

    def stop(self):
        for pid in [self.mpirun.pid, *self.pids.values()]:
            if pid != self.mpirun.pid and not alive(pid):
                continue
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.mpirun.wait()
