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

    def start(self, name, ranks=2, **changes):
        save = self.path(name)
        run = running.Run(save, self.train_flags(save, **{**self.flags, **changes}), ranks)
        self.addCleanup(run.stop)
        return run


class StopSignals(StopTest):
    @staticmethod
    def losses(save):
        return [(line["step"], line["loss"], line["grad_norm"], line["learning_rate"],
                 line["consumed_samples"]) for line in harness.read_log(save)]

    def assert_stopped(self, run, name):
        code, _ = run.finish()
        self.assertEqual(code, STOPPED, run.text())
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
        run = self.start("stopped")
        run.wait_for_step(7)
        run.signal(signal.SIGUSR1)
        self.assert_stopped(run, "SIGUSR1")
        done = run.steps()
        self.assertLess(done, STEPS)
        self.assertTrue(os.path.isdir(os.path.join(run.save, f"step_{done:08d}")), run.text())
        run = self.start("stopped")
        run.wait_for_step(done + 5)
        run.signal(signal.SIGTERM, rank=1)
        self.assert_stopped(run, "SIGTERM")
        self.assertGreater(run.steps(), done)
        self.assert_trained(self.train(run.save, ranks=2, **self.flags))
        self.assertEqual(self.losses(run.save), expected)

    def test_a_stop_right_after_a_checkpoint_writes_it_once(self):
        run = self.start("each-step", save_interval=1, save_total_limit=2)
        run.wait_for_step(4)
        run.signal(signal.SIGUSR1)
        self.assert_stopped(run, "SIGUSR1")
        done = run.steps()
        self.assertEqual(run.text().count(f"checkpoint of step {done}:"), 1, run.text())

    def test_during_start_up_nothing_is_left_half_done(self):
        # At moments from the first instructions of main() to the first steps.
        for delay in (0.0, 0.1, 0.2, 0.4, 0.8):
            run = self.start(f"early-{delay}")
            run.wait_for_ranks()
            run.wait_for(lambda: run.catches(signal.SIGUSR1, 0), "rank 0's main()")
            time.sleep(delay)
            run.signal(signal.SIGUSR1, rank=0)
            code, _ = run.finish()
            self.assertEqual(code, STOPPED, run.text())
            self.assertEqual(run.text().count("exit code 75"), 1, run.text())
            self.assertEqual(run.left_over(), [])
            if not os.path.isdir(run.save):
                continue
            for folder, _, names in os.walk(run.save):
                self.assertEqual([name for name in names if ".tmp" in name], [], folder)

    def test_a_single_process(self):
        run = running.Run(self.path("alone"), self.train_flags(
            self.path("alone"), **{**self.flags, "tensor_model_parallel_size": 1}), None)
        self.addCleanup(run.stop)
        run.wait_for_step(3)
        run.signal(signal.SIGINT)
        self.assert_stopped(run, "SIGINT")


class SecondSignal(StopTest):
    config = dict(harness.TINY_CONFIG, intermediate_size=4096)

    def test_a_second_signal_ends_it_at_once(self):
        for first, second in ((signal.SIGUSR1, signal.SIGTERM), (signal.SIGTERM, signal.SIGUSR1)):
            run = self.start(f"twice-{second}", global_bs=60, micro_bs=1)
            run.wait_for_ranks()
            run.wait_for(lambda: os.path.exists(os.path.join(run.save, "train_log.jsonl")), "the log")
            # Steps are long here: the first signal is still waiting for the end of one.
            run.signal(first, rank=1)
            time.sleep(0.4)
            run.signal(second, rank=1)
            code, seconds = run.finish()
            self.assertEqual(code, 128 + second, run.text())
            self.assertLess(seconds, 5)
            self.assertEqual(run.left_over(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
