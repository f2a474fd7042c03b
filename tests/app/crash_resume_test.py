"""kill -9 of a random rank at random moments; after --resume auto the run's losses must be those of a
run that nobody disturbed: bit for bit in the same layout, within 1e-5 in another one."""
import os
import random
import re
import signal
import subprocess
import time
import unittest

import harness

KILLS = int(os.environ.get("LONGHAUL_TEST_KILLS", "20"))
STEPS = 24


def ranks_of(mpirun):
    """Process ids of the ranks that mpirun started."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/status", encoding="utf-8") as file:
                parent = int(re.search(r"^PPid:\s+(\d+)", file.read(), re.M).group(1))
        except (OSError, AttributeError):
            continue
        if parent == mpirun:
            found.append(int(name))
    return found


class CrashResume(harness.ProgramTest):
    # A wide model, and a checkpoint after each step: about half of the time goes into writing them.
    config = dict(harness.TINY_CONFIG, intermediate_size=4096)
    flags = dict(train_iters=STEPS, save_interval=1, save_total_limit=2, global_bs=3,
                 split_dataset_ratio=0.05, eval_interval=8)

    def losses(self, save):
        log = harness.read_log(save)
        self.assertEqual([line["step"] for line in log], list(range(1, STEPS + 1)))
        return [(line["loss"], line["grad_norm"], line["learning_rate"], line["consumed_samples"])
                for line in log]

    def test_killed_runs_continue_exactly(self):
        layout = dict(tensor_model_parallel_size=2, context_parallel_size=2)
        whole = self.path("whole")
        self.assert_trained(self.train(whole, ranks=4, **self.flags, **layout))
        expected = self.losses(whole)

        generator = random.Random(3)
        kills = during_write = rounds = 0
        save = self.path("killed-0")
        while kills < KILLS:
            mpirun = subprocess.Popen(
                harness.command("train", *self.train_flags(save, **self.flags, **layout), ranks=4),
                env=harness.ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            # From the very start of the processes to some steps into the run.
            end = time.monotonic() + generator.uniform(0.1, 2.5)
            while time.monotonic() < end and mpirun.poll() is None:
                time.sleep(0.01)
            if generator.random() < 0.5:  # half of the kills: while a checkpoint is being written
                end = time.monotonic() + 5.0
                while time.monotonic() < end and mpirun.poll() is None and not self.writing(save):
                    time.sleep(0.001)
            alive = ranks_of(mpirun.pid) if mpirun.poll() is None else []
            if alive:
                during_write += self.writing(save)
                os.kill(generator.choice(alive), signal.SIGKILL)
                kills += 1
            output, _ = mpirun.communicate(timeout=harness.TIMEOUT)
            if mpirun.returncode == 0 and os.path.exists(os.path.join(save, "latest")):
                self.assertEqual(self.losses(save), expected)
                rounds += 1
                save = self.path(f"killed-{rounds}")
            else:
                self.assertNotIn("error:", output.replace("mpirun", ""), output)
        self.assert_trained(self.train(save, ranks=4, **self.flags, **layout))
        self.assertEqual(self.losses(save), expected)
        print(f"{kills} kills, {during_write} of them while a checkpoint was being written, "
              f"{rounds + 1} runs finished with the undisturbed losses")
        self.assertGreater(during_write, 0)
        leftovers = [name for name in os.listdir(save) if name.endswith(".tmp")]
        self.assertEqual(leftovers, [])

    @staticmethod
    def writing(save):
        try:
            return any(name.endswith(".tmp") and name.startswith("step_") for name in os.listdir(save))
        except FileNotFoundError:
            return False

    def test_another_layout_continues_within_rounding(self):
        whole = self.path("one-rank")
        self.assert_trained(self.train(whole, ranks=1, **self.flags))
        expected = self.losses(whole)
        save = self.path("moving")
        stops = [(6, 4, 2, 2), (12, 2, 1, 1), (18, 2, 1, 2), (STEPS, 1, 1, 1)]
        for last, ranks, tp, cp in stops:
            # A run is stopped by killing all of it once it has passed a step.
            flags = dict(self.flags, tensor_model_parallel_size=tp, context_parallel_size=cp)
            mpirun = subprocess.Popen(
                harness.command("train", *self.train_flags(save, **flags), ranks=ranks),
                env=harness.ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            name = os.path.join(save, f"step_{last:08d}")
            while mpirun.poll() is None and not os.path.isdir(name):
                time.sleep(0.005)
            if last < STEPS:
                mpirun.kill()
            mpirun.wait(timeout=harness.TIMEOUT)
        actual = self.losses(save)
        for column in range(2):
            self.close([row[column] for row in actual], [row[column] for row in expected], 1e-5)
        self.assertEqual([row[2:] for row in actual], [row[2:] for row in expected])


if __name__ == "__main__":
    unittest.main(verbosity=2)
