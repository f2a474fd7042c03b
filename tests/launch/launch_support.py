"""What the tests of the launcher share: three hosts with the program, a small model and rows on them, the
launcher as a user of the first host calls it, and a search for a password in everything it left.

The program is found through LONGHAUL (set by CTest); only Python's standard library."""
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

import host_processes
import hosts

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "app"))
import harness  # noqa: E402
import running  # noqa: E402

TIMEOUT = harness.TIMEOUT
SKIPPED = 77  # SKIP_RETURN_CODE of these tests


def main():
    """Runs a test file; where hosts cannot be made it is skipped as a whole, with the reason."""
    reason = hosts.why_not()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    # Output into a pipe would come out late when a test is cut short.
    sys.stdout.reconfigure(line_buffering=True)
    unittest.main(verbosity=2)


class LaunchTest(unittest.TestCase):
    """A test class with three hosts. Files of the tests are below cluster.folder, which all hosts share."""

    config = harness.TINY_CONFIG

    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.make_cluster()
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()
        cls.install()
        cls.write_model()

    @classmethod
    def make_cluster(cls):
        return hosts.Cluster(3)

    @classmethod
    def install(cls):
        """The program and the scripts, where the account can read them."""
        os.makedirs(cls.path("bin"))
        cls.program = cls.path("bin", "longhaul")
        shutil.copy(harness.LONGHAUL, cls.program)
        cls.held_program = cls.write_held_program()
        cls.fault_rank = cls.path("bin", "fault_rank")
        shutil.copy(os.environ.get("LONGHAUL_FAULT_RANK", os.path.join(
            os.path.dirname(harness.LONGHAUL), "..", "..", "tests", "launch", "fault_rank")), cls.fault_rank)
        for folder in ("mpi_launch", "slurm"):
            if os.path.isdir(os.path.join(harness.ROOT, folder)):
                shutil.copytree(os.path.join(harness.ROOT, folder), cls.path(folder))
        cls.password_file = cls.write_as_user(cls.cluster.password + "\n", "home", "password", mode=0o600)

    @classmethod
    def write_held_program(cls):
        """The program with what holds it at a step (running.hold()), and lets it hang at SIGUSR2."""
        library = shutil.copy(running.INJECT_FAULT, cls.path("bin"))
        os.makedirs(cls.path("bin", "held"))
        path = cls.path("bin", "held", "longhaul")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/bash\nexport LD_PRELOAD={library} LONGHAUL_TEST_FAULT=hang\nexec {cls.program} \"$@\"\n")
        os.chmod(path, 0o755)
        return path

    @classmethod
    def write_model(cls):
        work = cls.path("data")
        os.makedirs(work)
        harness.write_byte_tokenizer(os.path.join(work, "tokenizer"))
        cls.rows = os.path.join(work, "rows.jsonl")
        harness.write_rows(cls.rows, 60)
        with open(os.path.join(work, "config.json"), "w", encoding="utf-8") as file:
            json.dump(cls.config, file)
        cls.model = cls.init_model(os.path.join(work, "config.json"), os.path.join(work, "tokenizer"), "model")

    @classmethod
    def init_model(cls, config, tokenizer, name):
        model = cls.path("data", name)
        made = harness.run("init", "--config", config, "--tokenizer", tokenizer, "--output", model, "--seed", 1)
        assert made.returncode == 0, made.stderr
        return model

    @classmethod
    def init_quick_start_model(cls):
        source = os.path.join(harness.ROOT, "mpi_launch", "quickstart")
        tokenizer = cls.path("data", "quickstart-tokenizer")
        os.makedirs(tokenizer)
        with gzip.open(os.path.join(source, "tokenizer", "tokenizer.json.gz"), "rb") as packed:
            with open(os.path.join(tokenizer, "tokenizer.json"), "wb") as file:
                shutil.copyfileobj(packed, file)
        shutil.copy(os.path.join(source, "tokenizer", "tokenizer_config.json"), tokenizer)
        return cls.init_model(os.path.join(source, "config.json"), tokenizer, "quickstart-model")

    @classmethod
    def path(cls, *parts):
        return cls.cluster.path(*parts)

    @classmethod
    def write_as_user(cls, text, *parts, mode=0o644):
        path = cls.path(*parts)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        os.chown(path, cls.cluster.uid, cls.cluster.uid)
        return path

    def save(self, name):
        """A save directory of the account's, not there yet."""
        self.cluster.make_folder("saves")
        return self.path("saves", name)

    def flags(self, save, train=(), **changes):
        """Flags of a short run on all hosts; changes by name, None leaves one out; train goes after --."""
        flags = {
            "ips": ",".join(host.address for host in self.cluster.hosts), "user": hosts.USER,
            "ssh_password_file": self.password_file, "longhaul": self.program, "model": self.model,
            "dataset": self.rows, "save": save, "backend": "cpu", "max_length": 1024, "micro_bs": 1, "global_bs": 3,
            "tensor_model_parallel_size": 1, "context_parallel_size": 1, "save_interval": 3, "lr": "2e-3",
            "split_dataset_ratio": 0, "epochs": running.ENDLESS,
        }
        flags.update(changes)
        words = []
        for name, value in flags.items():
            if value is True:
                words.append(f"--{name}")
            elif value is not None:
                words += [f"--{name}", str(value)]
        after = list(train) or ["--train_iters", "6"]
        return words + ["--", "--seed", "7", *map(str, after)]

    def tearDown(self):
        # A launcher that a failed test left would be taken for the next test's.
        script = self.launcher_script()
        if script is not None:
            os.kill(script, signal.SIGKILL)
            self.cluster.wait_until_idle(TIMEOUT)

    def start(self, *words, script="launch.sh", host=0, environment=()):
        """The launcher, called by the account on a host; its output comes in one stream."""
        environment = ["NO_COLOR=1", "OMP_NUM_THREADS=1", *environment]
        if "OPENBLAS_CORETYPE" in os.environ:
            environment.append(f"OPENBLAS_CORETYPE={os.environ['OPENBLAS_CORETYPE']}")
        return subprocess.Popen(
            self.cluster.hosts[host].command("bash", self.path("mpi_launch", script), *words,
                                             user=self.cluster.uid, environment=environment),
            cwd=self.cluster.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True)

    def start_held(self, save, hold_at, *words, environment=()):
        """The same with a program that goes no further than hold_at steps until it is released; `words` are
        made by flags(save, longhaul=self.held_program, ...)."""
        running.hold(save, hold_at)
        return self.start(*words, environment=[f"LONGHAUL_TEST_HOLD={save}", *environment])

    def launch(self, *words, **options):
        """Runs the launcher to its end: exit status, output, seconds."""
        began = time.monotonic()
        launcher = self.start(*words, **options)
        try:
            output, _ = launcher.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            self.end(launcher)
            print(launcher.stdout.read())
            raise
        finally:
            launcher.stdout.close()
        return launcher.returncode, output, time.monotonic() - began

    def assert_launched(self, result):
        self.assertEqual(result[0], 0, result[1])

    def assert_nothing_left(self, but_files_on=None):
        """What is left for good: a busy machine may need a while to end a process."""
        left = self.cluster.wait_until_idle(60)
        self.assertEqual(left, [], "processes of the job are left")
        for host in self.cluster.hosts:
            if not host.is_up() or host is but_files_on:
                continue
            files = host.run("bash", "-c", "ls -d /dev/shm/vader* /tmp/longhaul-*; true").stdout
            self.assertEqual(files, "", f"files of the job are left on {host.name}")

    def launcher_script(self):
        """The launcher's own process: signals go to it, not to nsenter."""
        for process in self.cluster.hosts[0].processes():
            words = host_processes.arguments(process.pid)
            if process.uid == self.cluster.uid and words[:1] == ["bash"] and words[1:2] and words[1].startswith(
                    self.path("mpi_launch")):
                parent = host_processes.look_at(process.parent)
                if parent is None or parent.uid != self.cluster.uid:
                    return process.pid
        return None

    def end(self, launcher):
        """Ends a launcher that did not end by itself."""
        script = self.launcher_script()
        if script is not None:
            os.kill(script, signal.SIGKILL)
        launcher.kill()
        launcher.wait()

    @staticmethod
    def is_rank(process):
        """The launcher also asks the program for its version."""
        return process.name == "longhaul" and host_processes.arguments(process.pid)[1:2] == ["train"]

    def ranks(self, host=None):
        """Processes that train, on one host or on all."""
        return [process for name, process in self.cluster.user_processes()
                if self.is_rank(process) and (host is None or name == host.name)]

    def wait_for(self, condition, launcher, what):
        end = time.monotonic() + TIMEOUT
        while not condition():
            if launcher.poll() is not None:
                self.fail(f"the launcher ended before {what}:\n{launcher.stdout.read()}")
            self.assertLess(time.monotonic(), end, f"no {what} after {TIMEOUT} s")
            time.sleep(0.02)

    def wait_for_step(self, save, step, launcher):
        self.wait_for(lambda: self.steps_done(save) >= step, launcher, f"step {step}")

    @staticmethod
    def steps_done(save):
        try:
            with open(os.path.join(save, "train_log.jsonl"), encoding="utf-8") as file:
                return sum(line.endswith("\n") for line in file)
        except FileNotFoundError:
            return 0

    def losses(self, save, last):
        log = harness.read_log(save)
        self.assertEqual([line["step"] for line in log], list(range(1, last + 1)))
        return [(line["loss"], line["grad_norm"], line["learning_rate"]) for line in log]
