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
import running

KILLS = int(os.environ.get("LONGHAUL_TEST_KILLS", "20"))
STEPS = 24


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
            began = time.time()
            mpirun = subprocess.Popen(
                harness.command("train", *self.train_flags(save, **self.flags, **layout), ranks=4),
                env=harness.ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            # Somewhere in the start of the processes, some steps later, while a checkpoint is being written.
            if kills % 3 == 0:
                time.sleep(generator.uniform(0.1, 1.5))
            elif kills % 3 == 1:
                step = self.newest_step(save) + generator.randint(1, 6)
                self.wait_for(mpirun, lambda goal=step: self.newest_step(save) >= goal)
            else:
                self.wait_for(mpirun, lambda since=began: self.writing(save, since))
            ranks = list(running.ranks_of(mpirun.pid).values()) if mpirun.poll() is None else []
            if ranks:
                during_write += self.writing(save, began)
                os.kill(generator.choice(ranks), signal.SIGKILL)
                kills += 1
            output, _ = mpirun.communicate(timeout=harness.TIMEOUT)
            if mpirun.returncode == 0 and os.path.exists(os.path.join(save, "latest")):
                self.assertEqual(self.losses(save), expected)
                rounds += 1
                save = self.path(f"killed-{rounds}")
            else:
                # Where mpirun takes its time, the others say that the rank is gone.
                wrong = [line for line in output.splitlines()
                         if line.startswith("longhaul") and "error:" in line and "ended without a word" not in line]
                self.assertEqual(wrong, [], output)
        self.assert_trained(self.train(save, ranks=4, **self.flags, **layout))
        self.assertEqual(self.losses(save), expected)
        print(f"{kills} kills, {during_write} of them while a checkpoint was being written, "
              f"{rounds + 1} runs finished with the undisturbed losses")
        self.assertGreater(during_write, 0)
        leftovers = [name for name in os.listdir(save) if name.endswith(".tmp")]
        self.assertEqual(leftovers, [])

    def wait_for(self, mpirun, condition):
        """Until the condition holds, or the run is over."""
        end = time.monotonic() + harness.TIMEOUT
        while mpirun.poll() is None and not condition():
            self.assertLess(time.monotonic(), end, "the run does not come on")
            time.sleep(0.001)

    @staticmethod
    def newest_step(save):
        """Of which there is a checkpoint."""
        names = os.listdir(save) if os.path.isdir(save) else []
        return max((int(name[5:]) for name in names if re.fullmatch(r"step_\d{8}", name)), default=0)

    @staticmethod
    def writing(save, since):
        """Is there a checkpoint that was begun after that time and is not complete? (Earlier runs may have
        left parts of one.)"""
        try:
            return any(name.startswith("step_") and name.endswith(".tmp")
                       and os.stat(os.path.join(save, name)).st_ctime > since for name in os.listdir(save))
        except FileNotFoundError:
            return False

    def test_another_layout_continues_within_rounding(self):
        whole = self.path("one-rank")
        self.assert_trained(self.train(whole, ranks=1, **self.flags))
        expected = self.losses(whole)
        save = self.path("moving")
        stops = [(6, 4, 2, 2), (12, 2, 1, 1), (18, 2, 1, 2), (STEPS, 1, 1, 1)]
        for last, ranks, tp, cp in stops:
            # A run is stopped by killing all of it once it has passed a step; it cannot run away meanwhile.
            flags = dict(self.flags, tensor_model_parallel_size=tp, context_parallel_size=cp)
            run = running.Run(save, self.train_flags(save, **flags), ranks, hold_at=last + 1)
            self.addCleanup(run.stop)
            if last < STEPS:
                run.wait_for(lambda goal=last: self.newest_step(save) >= goal, f"the checkpoint of step {last}")
                run.stop()
                self.assertEqual(run.left_over(), [], "the next run would find the directory in use")
            else:
                self.assertEqual(run.finish(), 0, run.text())
        actual = self.losses(save)
        for column in range(2):
            self.close([row[column] for row in actual], [row[column] for row in expected], 1e-5)
        self.assertEqual([row[2:] for row in actual], [row[2:] for row in expected])


if __name__ == "__main__":
    unittest.main(verbosity=2)
