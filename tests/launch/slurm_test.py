"""slurm/quickstart.sbatch under Slurm's own daemons: a plain run, and one whose time limit is too short."""
import glob
import math
import os
import sys
import time

import launch_support
import slurm_cluster

OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")


class SlurmTest(launch_support.LaunchTest):
    """Two nodes; jobs are submitted by the account."""

    @classmethod
    def make_cluster(cls):
        return slurm_cluster.SlurmCluster()

    def environment(self, save, **variables):
        found = {"SAVE": save, "LONGHAUL": self.program, "HOME": self.path("home"), **variables}
        if "OPENBLAS_CORETYPE" in os.environ:
            found["OPENBLAS_CORETYPE"] = os.environ["OPENBLAS_CORETYPE"]
        return [f"{name}={value}" for name, value in found.items()]

    def submit(self, save, *words, **variables):
        folder = self.cluster.make_folder("jobs")
        return self.cluster.submit("-D", folder, *words, self.path("slurm", "quickstart.sbatch"),
                                   environment=self.environment(save, **variables))

    def log(self, number):
        text = ""
        for name in glob.glob(self.path("jobs", f"*-{number}.log")):
            with open(name, encoding="utf-8", errors="replace") as file:
                text += file.read()
        return text

    def wait_for_state(self, number, states, seconds):
        end = time.monotonic() + seconds
        while True:
            job = self.cluster.job(number)
            if job["JobState"] in states:
                return job
            self.assertLess(time.monotonic(), end, f"job {number} is {job['JobState']}:\n{self.log(number)}")
            time.sleep(0.25)

    def wait_for_idle_nodes(self, seconds):
        end = time.monotonic() + seconds
        idle = ["idle"] * len(self.cluster.nodes)
        while (self.cluster.on(self.cluster.hosts[0], "sinfo", "-h", "-N", "-o", "%T").split() != idle or any(
                process.name.startswith("slurmstepd") for node in self.cluster.nodes for process in node.processes())):
            self.assertLess(time.monotonic(), end, "the nodes do not become idle")
            time.sleep(0.25)
        time.sleep(1.0)

    def assert_completed(self, number, seconds):
        job = self.wait_for_state(number, OVER, seconds)
        self.assertEqual(job["JobState"], "COMPLETED", self.log(number))


class Slurm(SlurmTest):
    def test_quick_start_then_a_time_limit_that_is_too_short(self):
        # A plain run on 2 nodes x 2 tasks.
        plain = self.save("plain")
        began = time.monotonic()
        number = self.submit(plain, STEPS=3)
        self.assert_completed(number, 240)
        print(f"3 steps on 2 nodes x 2 tasks: {time.monotonic() - began:.1f} s")
        self.losses(os.path.join(plain, "run"), 3)
        self.assertIn("TP 2 x CP 2 x DP 1 on 4 ranks", self.log(number))
        seconds = sum(line["step_seconds"] for line in launch_support.harness.read_log(os.path.join(plain, "run"))[1:]) / 2

        # Long enough that Slurm's warning, which comes late, meets it in the middle.
        steps = max(6, math.ceil(34 / seconds))
        whole = self.save("whole")
        self.assert_completed(self.submit(whole, STEPS=steps), 600)
        expected = self.losses(os.path.join(whole, "run"), steps)

        cut = self.save("cut")
        number = self.submit(cut, "--time=1", "--signal=B:USR1@45", STEPS=steps)
        self.wait_for_state(number, ("RUNNING",), 30)
        job = self.wait_for_state(number, ("PENDING", *OVER), 150)
        self.assertEqual(job["JobState"], "PENDING", self.log(number))
        self.assertEqual(job["Restarts"], "1")
        done = self.steps_done(os.path.join(cut, "run"))
        self.assertTrue(0 < done < steps, f"{done} of {steps} steps were done at the warning")
        self.assertIn("the time limit is near", self.log(number))
        # Slurm holds a job that was queued again back for two minutes, in which its nodes can tidy up; here it
        # need not wait longer than they do, and this time it may take longer.
        self.wait_for_idle_nodes(60)
        self.cluster.on(self.cluster.hosts[0], "scontrol", "update", f"JobId={number}", "StartTime=now", "TimeLimit=10")
        self.assert_completed(number, 600)
        self.assertIn("start 2", self.log(number))
        self.assertEqual(self.steps_done(os.path.join(cut, "run")), steps, self.log(number))
        self.assertEqual(self.losses(os.path.join(cut, "run"), steps), expected)
        print(f"stopped after {done} of {steps} steps, queued again and resumed with the same losses")

    def test_variables_are_checked(self):
        for script in ("qwen25_72b.sbatch", "qwen3_32b.sbatch"):
            folder = self.cluster.make_folder("jobs")
            number = self.cluster.submit("-D", folder, "--nodes=1", "--ntasks-per-node=1", "--gpus-per-node=0",
                                         "--cpus-per-task=1", "--mem=100", self.path("slurm", script),
                                         environment=["MODEL=/model", f"HOME={self.path('home')}"])
            job = self.wait_for_state(number, OVER, 60)
            self.assertEqual(job["ExitCode"], "2:0", self.log(number))
            self.assertIn("DATASET SAVE not set", self.log(number))


class NoPmix(SlurmTest):
    """Slurm without its PMIx plugin: the message, and the way out that it names."""

    @classmethod
    def make_cluster(cls):
        return slurm_cluster.SlurmCluster(without=("mpi_pmix",))

    def test_missing_plugin_is_told(self):
        number = self.submit(self.save("no-pmix"), STEPS=2)
        job = self.wait_for_state(number, OVER, 60)
        self.assertEqual(job["ExitCode"], "2:0", self.log(number))
        self.assertIn("has no PMIx plugin", self.log(number))
        self.assertIn("LAUNCHER=mpirun", self.log(number))
        self.assertIn(self.cluster.nodes[0].name, self.log(number))

    def test_mpirun_in_the_allocation(self):
        save = self.save("mpirun")
        number = self.submit(save, LAUNCHER="mpirun", STEPS=2)
        self.assert_completed(number, 240)
        self.losses(os.path.join(save, "run"), 2)


if __name__ == "__main__":
    reason = slurm_cluster.why_not()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(launch_support.SKIPPED)
    launch_support.main()
