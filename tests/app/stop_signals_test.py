"""SIGTERM and SIGUSR1: the step under way is finished, its checkpoint written, and the run that goes
on later has the losses of one that nobody stopped. A second signal ends the run at once."""
import os
import signal
import time
import unittest

import harness
import running

STOPPED = 75


STEPS = 40


class StopTest(harness.ProgramTest):
    flags = dict(train_iters=STEPS, save_interval=1000, global_bs=3, split_dataset_ratio=0.05,
                 eval_interval=20, tensor_model_parallel_size=2)

    def start(self, name, ranks=2, fault=None, hold_at=None, **changes):
        save = self.path(name)
        run = running.Run(save, self.train_flags(save, **{**self.flags, **changes}), ranks, fault, hold_at)
        self.addCleanup(run.stop)
        return run


class StopSignals(StopTest):
    @staticmethod
    def losses(save):
        return [(line["step"], line["loss"], line["grad_norm"], line["learning_rate"],
                 line["consumed_samples"]) for line in harness.read_log(save)]

    def assert_stopped(self, run, name):
        self.assertEqual(run.finish(), STOPPED, run.text())
        said = [line for line in run.text().splitlines() if "exit code 75" in line]
        self.assertEqual(len(said), 1, run.text())
        self.assertIn(name, said[0])
        self.assertIn("start the same command again", said[0])
        self.assertNotIn("error:", run.text())
        self.assertEqual(run.left_over(), [])
        self.assertFalse(os.path.exists(os.path.join(run.save, "failure.json")))
        self.assertEqual([n for n in os.listdir(run.save) if n.endswith(".tmp")], [])

    def test_stopped_runs_continue_exactly(self):
        whole = self.path("whole")
        self.assert_trained(self.train(whole, ranks=2, **self.flags))
        expected = self.losses(whole)
        # To mpirun, which passes it on; then to a single rank, which tells the others.
        run = self.start("stopped", hold_at=7)
        run.wait_for_step(7)
        run.signal(signal.SIGUSR1)
        self.assert_stopped(run, "SIGUSR1")
        done = run.steps()
        self.assertEqual(done, 8, "the step under way is finished")
        self.assertTrue(os.path.isdir(os.path.join(run.save, f"step_{done:08d}")), run.text())
        run = self.start("stopped", hold_at=done + 5)
        run.wait_for_step(done + 5)
        run.signal(signal.SIGTERM, rank=1)
        self.assert_stopped(run, "SIGTERM")
        self.assertEqual(run.steps(), done + 6)
        self.assert_trained(self.train(run.save, ranks=2, **self.flags))
        self.assertEqual(self.losses(run.save), expected)

    def test_a_stop_right_after_a_checkpoint_writes_it_once(self):
        run = self.start("each-step", hold_at=4, save_interval=1, save_total_limit=2)
        run.wait_for_step(4)
        run.signal(signal.SIGUSR1)
        self.assert_stopped(run, "SIGUSR1")
        done = run.steps()
        self.assertEqual(run.text().count(f"checkpoint of step {done}:"), 1, run.text())

    def test_during_start_up_nothing_is_left_half_done(self):
        # At moments from the first instructions of main() to the first steps.
        for delay in (0.0, 0.1, 0.2, 0.4, 0.8):
            run = self.start(f"early-{delay}", train_iters=running.ENDLESS, save_interval=running.ENDLESS)
            run.wait_for_ranks()
            run.wait_for(lambda: run.catches(signal.SIGUSR1, 0), "rank 0's main()")
            time.sleep(delay)
            run.signal(signal.SIGUSR1, rank=0)
            self.assertEqual(run.finish(), STOPPED, run.text())
            self.assertEqual(run.text().count("exit code 75"), 1, run.text())
            self.assertEqual(run.left_over(), [])
            if not os.path.isdir(run.save):
                continue
            for folder, _, names in os.walk(run.save):
                self.assertEqual([name for name in names if ".tmp" in name], [], folder)

    def test_a_single_process(self):
        run = self.start("alone", ranks=None, hold_at=3, tensor_model_parallel_size=1)
        run.wait_for_step(3)
        run.signal(signal.SIGINT)
        self.assert_stopped(run, "SIGINT")


class SecondSignal(StopTest):
    def test_a_second_signal_ends_it_at_once(self):
        for first, second in ((signal.SIGUSR1, signal.SIGTERM), (signal.SIGTERM, signal.SIGUSR1)):
            run = self.start(f"twice-{second}", fault="hang", hold_at=3)
            run.wait_for_step(3)
            # The step under way never ends: only the second signal can end the run.
            run.signal_and_wait(signal.SIGUSR2, rank=1)
            run.signal_and_wait(first, rank=1)
            time.sleep(0.4)  # signals within a fifth of a second count as one
            run.signal(second, rank=1)
            self.assertEqual(run.finish(), 128 + second, run.text())
            self.assertEqual(run.left_over(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
