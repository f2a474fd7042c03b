"""slurm/quickstart.sbatch under Slurm's own daemons: a plain run, and one whose time limit is too short."""
import glob
import os
import sys
import time

import launch_support
import slurm_cluster
from launch_support import running

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

    def wait_for_job(self, condition, number, what):
        """condition: of the job as scontrol shows it, which is returned."""
        end = time.monotonic() + launch_support.TIMEOUT
        while True:
            job = self.cluster.job(number)
            if condition(job):
                return job
            self.assertLess(time.monotonic(), end, f"no {what}; job {number} is {job['JobState']}:\n{self.log(number)}")
            time.sleep(0.25)

    def wait_for_state(self, number, states):
        return self.wait_for_job(lambda job: job["JobState"] in states, number, " or ".join(states))

    def assert_completed(self, number):
        job = self.wait_for_state(number, OVER)
        self.assertEqual(job["JobState"], "COMPLETED", self.log(number))

    def nodes_are_tidy(self):
        return self.cluster.all_nodes_are_idle() and not any(
            process.name.startswith("slurmstepd") for node in self.cluster.nodes for process in node.processes())


class Slurm(SlurmTest):
    def test_quick_start_then_a_time_limit_that_is_too_short(self):
        # A plain run on 2 nodes x 2 tasks.
        steps = 6
        plain = self.save("plain")
        number = self.submit(plain, STEPS=steps)
        self.assert_completed(number)
        expected = self.losses(os.path.join(plain, "run"), steps)
        self.assertIn("TP 2 x CP 2 x DP 1 on 4 ranks", self.log(number))

        # The same in two parts. The ranks wait after a step until Slurm's warning comes. It comes within half a
        # minute once the job's time ends in less than --signal says; all that follows has minutes.
        cut = self.cluster.make_folder("saves", "cut")
        run = os.path.join(cut, "run")
        running.hold(run, 3)
        number = self.submit(cut, "--time=90", "--signal=B:USR1@1800", STEPS=steps, LONGHAUL=self.held_program,
                             LONGHAUL_TEST_HOLD=run)
        self.wait_for_job(lambda job: self.steps_done(run) >= 3 or job["JobState"] in OVER, number, "step 3")
        self.assertNotIn("the time limit is near", self.log(number))
        self.cluster.on(self.cluster.hosts[0], "scontrol", "update", f"JobId={number}", "TimeLimit=20")
        job = self.wait_for_state(number, ("PENDING", *OVER))
        self.assertEqual(job["JobState"], "PENDING", self.log(number))
        self.assertEqual(job["Restarts"], "1")
        self.assertEqual(self.steps_done(run), 4, "the step under way is finished")
        self.assertIn("the time limit is near", self.log(number))
        # Slurm holds a job that was queued again back for two minutes, in which its nodes can tidy up; here it
        # need not wait longer than they do, and this time it may take longer.
        running.release(run)
        self.wait_for_job(lambda _: self.nodes_are_tidy(), number, "end on the nodes")
        time.sleep(1.1)  # nodes take no credential of the second in which they ended the job
        self.cluster.on(self.cluster.hosts[0], "scontrol", "update", f"JobId={number}", "StartTime=now", "TimeLimit=90")
        self.assert_completed(number)
        self.assertIn("start 2", self.log(number))
        self.assertEqual(self.losses(run, steps), expected)
        print(f"stopped after 4 of {steps} steps, queued again and resumed with the same losses")

    def test_variables_are_checked(self):
        for script in ("qwen25_72b.sbatch", "qwen3_32b.sbatch"):
            folder = self.cluster.make_folder("jobs")
            number = self.cluster.submit("-D", folder, "--nodes=1", "--ntasks-per-node=1", "--gpus-per-node=0",
                                         "--cpus-per-task=1", "--mem=100", self.path("slurm", script),
                                         environment=["MODEL=/model", f"HOME={self.path('home')}"])
            job = self.wait_for_state(number, OVER)
            self.assertEqual(job["ExitCode"], "2:0", self.log(number))
            self.assertIn("DATASET SAVE not set", self.log(number))


class NoPmix(SlurmTest):
    """Slurm without its PMIx plugin: the message, and the way out that it names."""

    @classmethod
    def make_cluster(cls):
        return slurm_cluster.SlurmCluster(without=("mpi_pmix",))

    def test_missing_plugin_is_told(self):
        number = self.submit(self.save("no-pmix"), STEPS=2)
        job = self.wait_for_state(number, OVER)
        self.assertEqual(job["ExitCode"], "2:0", self.log(number))
        self.assertIn("has no PMIx plugin", self.log(number))
        self.assertIn("LAUNCHER=mpirun", self.log(number))
        self.assertIn(self.cluster.nodes[0].name, self.log(number))

    def test_mpirun_in_the_allocation(self):
        save = self.save("mpirun")
        number = self.submit(save, LAUNCHER="mpirun", STEPS=2)
        self.assert_completed(number)
        self.losses(os.path.join(save, "run"), 2)


if __name__ == "__main__":
    reason = slurm_cluster.why_not()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(launch_support.SKIPPED)
    launch_support.main()
