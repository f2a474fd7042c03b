"""A training run under mpirun that a test disturbs while it goes on.

Runs are faster than tests on some machines and slower on others. So a run that a test ends by itself has
ENDLESS steps, and one that must be met at a step and get to its end later is held there (Run's hold)."""
import json
import os
import re
import signal
import subprocess
import time

import harness

INJECT_FAULT = os.environ.get("LONGHAUL_INJECT_FAULT", os.path.join(
    os.path.dirname(harness.LONGHAUL), "..", "..", "tests", "app", "libinject_fault.so"))
ENDLESS = 1_000_000  # steps


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


def in_signal_set(pid, name, number):
    """Is the signal in that set of /proc/PID/status: caught by a handler (SigCgt), still to be taken (ShdPnd)?"""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        mask = next(line.split()[1] for line in file if line.startswith(name + ":"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def hold(save, steps):
    """Lets a run that writes to `save` (its LONGHAUL_TEST_HOLD) go no further than `steps` steps and a part
    of the next one, until it gets a signal, release() or a larger number (inject_fault.cpp)."""
    with open(save + ".hold.new", "w", encoding="utf-8") as file:
        file.write(f"{steps}\n")
    os.replace(save + ".hold.new", save + ".hold")


def release(save):
    os.remove(save + ".hold")


class Run:
    """`longhaul train` with these flags on `ranks` ranks; ended at the latest by stop(). fault: what
    SIGUSR2 makes of a rank (inject_fault.cpp); hold_at: see hold()."""

    def __init__(self, save, flags, ranks, fault=None, hold_at=None):
        self.save = save
        self.output = save + ".out"
        self.size = ranks
        variables = {}
        if fault is not None:
            variables["LONGHAUL_TEST_FAULT"] = fault
        if hold_at is not None:
            variables["LONGHAUL_TEST_HOLD"] = save
            hold(save, hold_at)
        if variables:
            variables["LD_PRELOAD"] = INJECT_FAULT
        command = harness.command("train", *flags, ranks=ranks)
        environment = dict(harness.environment("train", *flags, ranks=ranks))
        if ranks is None:
            environment.update(variables)
        else:
            command[1:1] = [word for name, value in variables.items() for word in ("-x", f"{name}={value}")]
        self.began = time.time()
        with open(self.output, "w", encoding="utf-8") as file:
            self.mpirun = subprocess.Popen(command, stdout=file, env=environment, stderr=subprocess.STDOUT)
        self.pids = {}

    def wait_for(self, condition, what, seconds=harness.TIMEOUT):
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
        return in_signal_set(self.pids[rank], "SigCgt", number)

    def signal_and_wait(self, number, rank):
        """Returns once the rank has taken the signal, which a busy machine may put off."""
        self.signal(number, rank)
        self.wait_for(lambda: not in_signal_set(self.pids[rank], "ShdPnd", number), f"signal {number}")

    def release(self):
        release(self.save)

    def finish(self, seconds=harness.TIMEOUT):
        """The exit code. Only a hang takes as long as `seconds`."""
        try:
            return self.mpirun.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s:\n{self.text()}") from None

    def left_over(self):
        """Ranks whose processes stay although mpirun has ended."""
        end = time.monotonic() + 30
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
