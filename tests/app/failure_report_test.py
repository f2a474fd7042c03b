"""What happens when something goes wrong in a run: a rank that is stopped, killed, crashes or ends too
early, a loss that is not finite, a checkpoint that cannot be written. Every rank ends, one of them says
why, and <save>/failure.json says the same."""
import json
import math
import os
import resource
import shutil
import signal
import struct
import time
import unittest

import harness
import running

TIMEOUT = 10  # --comm_timeout. A rank that is not given the processor for as long would be taken for stopped.


class Failures(harness.ProgramTest):
    config = dict(harness.TINY_CONFIG, intermediate_size=4096)
    flags = dict(train_iters=running.ENDLESS, save_interval=running.ENDLESS, global_bs=2, comm_timeout=TIMEOUT,
                 tensor_model_parallel_size=2, context_parallel_size=1)

    def start(self, name, ranks=4, fault=None, hold_at=None, **changes):
        save = self.path(name)
        run = running.Run(save, self.train_flags(save, **{**self.flags, **changes}), ranks, fault, hold_at)
        self.addCleanup(run.stop)
        return run

    def assert_record(self, run, kind, **fields):
        record = run.failure()
        self.assertEqual(record["kind"], kind, record)
        for key, value in fields.items():
            self.assertEqual(record[key], value, record)
        for key in ("time", "rank", "pid", "step"):
            self.assertIsInstance(record[key], int, key)
        for key in ("version", "host", "phase", "message", "remedy"):
            self.assertTrue(record[key], key)
        self.assertTrue(int(run.began) <= record["time"] <= time.time(), record)
        self.assertEqual([n for n in os.listdir(run.save) if n.startswith(".failure")], [])
        return record

    def assert_one_message(self, run, *words):
        said = [line for line in run.text().splitlines() if line.startswith("longhaul train: error:")]
        self.assertEqual(len(said), 1, run.text())
        for word in words:
            self.assertIn(word, said[0])

    def assert_all_gone(self, run):
        """These runs have no end of their own: one that ends has noticed the failure."""
        code = run.finish()
        self.assertNotIn(code, (0, 2, 75), run.text())
        self.assertEqual(run.left_over(), [])
        return code

    def test_a_rank_that_is_stopped_is_named(self):
        for victim in (2, 0):
            run = self.start(f"stopped-{victim}")
            run.wait_for_step(3)
            run.signal(signal.SIGSTOP, rank=victim)
            self.assertEqual(self.assert_all_gone(run), 1)
            record = self.assert_record(run, "timeout")
            self.assertEqual([missing["rank"] for missing in record["missing_ranks"]], [victim])
            self.assertEqual(record["missing_ranks"][0]["host"], record["host"])
            self.assertGreaterEqual(record["waited_seconds"], TIMEOUT)
            self.assertNotEqual(record["rank"], victim)
            self.assertTrue(record["collective"] and record["group"], record)
            self.assertGreaterEqual(record["step"], 3)
            self.assert_one_message(run, f"rank {victim} on {record['host']} has not arrived",
                                    record["collective"], f"step {record['step']}")

    def test_a_short_stop_is_forgiven(self):
        run = self.start("pause")
        run.wait_for_step(3)
        run.signal(signal.SIGSTOP, rank=1)
        time.sleep(TIMEOUT / 4)
        run.signal(signal.SIGCONT, rank=1)
        # The whole job may stand still as long as it likes.
        run.wait_for_step(run.steps() + 5)
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for rank in run.pids:
                run.signal(number, rank=rank)
            time.sleep(TIMEOUT + 3)
        run.wait_for_step(run.steps() + 5)
        run.signal(signal.SIGUSR1)
        self.assertEqual(run.finish(), 75, run.text())
        self.assertFalse(os.path.exists(os.path.join(run.save, "failure.json")))

    def test_a_rank_that_does_not_come_is_named(self):
        # Its watchdog lives and reports.
        run = self.start("hang", fault="hang")
        run.wait_for_step(3)
        run.signal(signal.SIGUSR2, rank=1)
        self.assertEqual(self.assert_all_gone(run), 1)
        record = self.assert_record(run, "timeout")
        self.assertEqual([missing["rank"] for missing in record["missing_ranks"]], [1])
        self.assertIn("--comm_timeout", record["remedy"])
        self.assert_one_message(run, "rank 1 on", "reports nothing new for")

    def test_a_rank_that_leaves_too_early(self):
        run = self.start("exit", fault="exit", comm_timeout=3600)
        run.wait_for_step(3)
        run.signal(signal.SIGUSR2, rank=2)
        self.assertNotEqual(run.finish(), 75, run.text())
        self.assertEqual(run.left_over(), [])
        self.assert_record(run, "lost", rank=2)

    def test_an_exception_on_one_rank(self):
        run = self.start("error", fault="error")
        run.wait_for_step(3)
        run.signal(signal.SIGUSR2, rank=3)
        self.assertEqual(self.assert_all_gone(run), 1)
        record = self.assert_record(run, "exception", rank=3)
        self.assertGreaterEqual(record["step"], 3)
        self.assertIn("[rank 3 on", record["message"])
        self.assert_one_message(run, "[rank 3 on", "MPI_ERR")

    def test_a_killed_rank_ends_the_job(self):
        run = self.start("killed")
        run.wait_for_step(3)
        run.signal(signal.SIGKILL, rank=3)
        self.assertEqual(self.assert_all_gone(run), 128 + signal.SIGKILL)
        # mpirun may have been faster than rank 0's watchdog.
        if os.path.exists(os.path.join(run.save, "failure.json")):
            self.assert_record(run, "lost", rank=3)

    def test_a_crash_leaves_a_record(self):
        run = self.start("crash")
        run.wait_for_step(3)
        run.signal(signal.SIGSEGV, rank=1)
        self.assertEqual(self.assert_all_gone(run), 128 + signal.SIGSEGV)
        record = self.assert_record(run, "signal", rank=1, signal=signal.SIGSEGV, pid=run.pids[1])
        self.assertGreaterEqual(record["step"], 3)
        self.assertIn("SIGSEGV", record["message"])
        self.assert_one_message(run, "[rank 1 on", "SIGSEGV")

        # The next run of the same directory puts it aside.
        again = self.start("crash", train_iters=run.steps() + 2)
        self.assertEqual(again.finish(), 0, again.text())
        self.assertFalse(os.path.exists(os.path.join(run.save, "failure.json")))
        with open(os.path.join(run.save, "failure.previous.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file), record)

    def test_loss_that_is_not_finite(self):
        model = self.path("not-a-number")
        shutil.copytree(self.model, model)
        file = os.path.join(model, "model.safetensors")
        with open(file, "r+b") as stream:
            size = struct.unpack("<Q", stream.read(8))[0]
            begin = json.loads(stream.read(size))["model.norm.weight"]["data_offsets"][0]
            stream.seek(8 + size + begin)
            stream.write(struct.pack("<f", math.nan))
        run = self.start("nan", ranks=2, model=model, max_skipped_steps=2)
        self.assertEqual(run.finish(), 1, run.text())
        record = self.assert_record(run, "nonfinite", step=2)
        self.assertIn("2 steps in a row", record["message"])
        self.assertNotIn("collective", record)
        self.assert_one_message(run, "2 steps in a row")

    def test_a_checkpoint_that_cannot_be_written(self):
        run = self.start("no-space", ranks=2, hold_at=3, save_interval=10, train_iters=20)
        run.wait_for_step(3)
        # From now on rank 1 cannot write large files.
        resource.prlimit(run.pids[1], resource.RLIMIT_FSIZE, (100_000, 100_000))
        run.release()
        self.assertEqual(run.finish(), 2, run.text())
        record = self.assert_record(run, "exception", rank=1)
        self.assertIn("checkpoint of step 10", record["message"])
        self.assert_one_message(run, "checkpoint of step 10", "rank 1")

    def test_mistakes_before_training_leave_no_record(self):
        save = self.path("mistake")
        result = self.train(save, ranks=2, dataset=self.path("nothing-there.jsonl"))
        self.assert_refused(result, "nothing-there.jsonl")
        self.assertEqual(result.returncode, 2)
        self.assertFalse(os.path.exists(os.path.join(save, "failure.json")))

    def test_flags(self):
        for flag, value in (("comm_timeout", -1), ("comm_timeout", 0.5), ("startup_timeout", "nan"),
                            ("straggler_factor", 0.9), ("straggler_factor", -2)):
            self.assert_refused(self.train(self.path("flags"), **{flag: value}), f"--{flag}")


class Stragglers(harness.ProgramTest):
    def test_a_slow_rank_is_named_now_and_then(self):
        save = self.path("slow")
        run = running.Run(save, self.train_flags(save, train_iters=running.ENDLESS, global_bs=6,
                                                 save_interval=running.ENDLESS), 3, fault="slow")
        self.addCleanup(run.stop)
        run.wait_for_step(3)
        # Each of its products sleeps: that is much longer than computing, on a busy machine too.
        run.signal(signal.SIGUSR2, rank=1)
        run.wait_for(lambda: len(self.named(save)) >= 12, "12 slow steps")
        run.signal(signal.SIGUSR1)
        self.assertEqual(run.finish(), 75, run.text())
        self.assertRegex(run.text(), r"straggler: .*rank 1 on \S+ is slow: .* steps in a row")
        named = self.named(save)
        self.assertGreater(named[-1]["ratio"], 1.5)
        self.assertGreaterEqual(max(slow["steps"] for slow in named), 3)
        self.assertTrue(all("compute_seconds_median" in line for line in harness.read_log(save)))
        # Not on every step.
        self.assertLess(run.text().count("rank 1 on"), len(named) / 2)

    @staticmethod
    def named(save):
        """What the log says of rank 1 in the steps in which it was slow."""
        with open(os.path.join(save, "train_log.jsonl"), encoding="utf-8") as file:
            log = [json.loads(line) for line in file if line.endswith("\n")]
        return [slow for line in log for slow in line.get("stragglers", []) if slow["rank"] == 1]


if __name__ == "__main__":
    unittest.main(verbosity=2)
