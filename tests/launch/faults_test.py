"""The fault matrix: what happens on three hosts when something dies, freezes or fills up. For each fault:
how long until everything has stopped, what is said, and that nothing is left running."""
import os
import signal
import time

import host_processes
import launch_support
from launch_support import running

# Seconds until everything has stopped. It takes 1 to 35 of them on a quiet machine; a fault that nothing
# notices ends the job after --comm_timeout, which is 600, or never.
LONGEST = 240.0
COMM_TIMEOUT = 10


class Faults(launch_support.LaunchTest):
    # Wide enough that a checkpoint takes a moment to write.
    config = dict(launch_support.harness.TINY_CONFIG, intermediate_size=2048)

    def running_job(self, name, **changes):
        """A job that has done two steps and does not end by itself."""
        save = self.save(name)
        flags = self.flags(save, **{"save_interval": running.ENDLESS, **changes},
                           train=["--train_iters", running.ENDLESS])
        launcher = self.start(*flags)
        self.addCleanup(launcher.stdout.close)
        self.wait_for_step(save, 2, launcher)
        return save, launcher

    def assert_stops(self, launcher, fault, *words, status=None, cut_off=None):
        """Call it right after the fault."""
        began = time.monotonic()
        output, _ = launcher.communicate(timeout=LONGEST)
        left = self.cluster.wait_until_idle(max(0.0, LONGEST - (time.monotonic() - began)))
        seconds = time.monotonic() - began
        self.assertEqual(left, [], f"{fault}: processes are left after {seconds:.1f} s\n{output}")
        self.assertNotEqual(launcher.returncode, 0, output)
        if status is not None:
            self.assertEqual(launcher.returncode, status, output)
        self.assert_nothing_left(but_files_on=cut_off)
        for word in words:
            self.assertIn(word, output)
        lines = output.splitlines()
        error = [index for index, line in enumerate(lines) if line.startswith("error:")][0]
        said = " / ".join(line.strip() for line in lines[error:])
        print(f"| {fault} | {seconds:.1f} s | {launcher.returncode} | {said}")
        return output

    def rank_on(self, host):
        [rank] = self.ranks(host)
        return rank.pid

    def test_killed_rank(self):
        _, launcher = self.running_job("killed-rank")
        os.kill(self.rank_on(self.cluster.hosts[2]), signal.SIGKILL)
        self.assert_stops(launcher, "kill -9 of a rank", "killed", status=137)

    def test_killed_daemon(self):
        _, launcher = self.running_job("killed-daemon")
        [daemon] = [process for process in self.cluster.hosts[2].processes() if process.name == "orted"]
        os.kill(daemon.pid, signal.SIGKILL)
        self.assert_stops(launcher, "kill -9 of a daemon (orted)", "contact with a host was lost")

    def test_frozen_rank(self):
        save, launcher = self.running_job("frozen-rank", comm_timeout=COMM_TIMEOUT)
        os.kill(self.rank_on(self.cluster.hosts[2]), signal.SIGSTOP)
        output = self.assert_stops(launcher, f"SIGSTOP of a rank (--comm_timeout {COMM_TIMEOUT})", "h3")
        self.assertTrue(os.path.exists(os.path.join(save, "failure.json")), output)

    def test_frozen_host(self):
        """Its kernel still answers, but no process runs: no TCP connection shows it."""
        third = self.cluster.hosts[2]
        _, launcher = self.running_job("frozen-host")
        for process in third.processes():
            if process.name in ("orted", "longhaul"):
                os.kill(process.pid, signal.SIGSTOP)
        self.assert_stops(launcher, "a frozen host (SIGSTOP of everything on it)", "h3")

    def test_cut_link(self):
        third = self.cluster.hosts[2]
        _, launcher = self.running_job("cut-link")
        self.addCleanup(third.run, "bash", "-c", "rm -rf /tmp/longhaul-* /dev/shm/vader*")
        self.addCleanup(self.cluster.mend_link, third)
        self.cluster.cut_link(third)
        self.assert_stops(launcher, "a cut link", "10.77.7.3 does not answer", cut_off=third)

    def test_rebooted_host(self):
        third = self.cluster.hosts[2]
        _, launcher = self.running_job("rebooted")
        self.addCleanup(self.cluster.boot, third)
        third.crash()
        self.assert_stops(launcher, "a host that reboots", "10.77.7.3 does not answer")

    def test_full_disk_on_one_host(self):
        third = self.cluster.hosts[2]
        save = self.save("full-disk")
        launcher = self.start_held(save, 9, *self.flags(save, longhaul=self.held_program, save_interval=4,
                                                        train=["--train_iters", 40]))
        self.addCleanup(launcher.stdout.close)
        # The first checkpoint is complete, and nothing of the second one is left to be written here.
        self.wait_for_step(save, 9, launcher)
        self.wait_for(lambda: "checkpoint" not in self.threads(self.rank_on(third)), launcher, "end of writing")
        # From now on this host sees the save directory on a file system that is full; the folder of the next
        # checkpoint is there.
        third.run("bash", "-c", 'mount -t tmpfs -o mode=1777,size=1m tmpfs "$1" && cd "$1" && '
                  'mkdir -m 0777 step_00000012.tmp; head -c 2000000 /dev/zero >full 2>/dev/null || true', "-", save)
        self.addCleanup(third.run, "umount", save)
        running.release(save)
        self.assert_stops(launcher, "a full disk on one host", "No space left", "h3")

    @staticmethod
    def threads(pid):
        found = []
        for thread in os.listdir(f"/proc/{pid}/task"):
            found.append(host_processes.read_bytes(f"/proc/{pid}/task/{thread}/comm").decode().strip())
        return found

    def test_fault_ranks(self):
        for name, fault in (("throw", "a rank that throws"), ("leave", "a rank that leaves with status 0")):
            with self.subTest(fault):
                save = self.save(name)
                os.makedirs(save)
                os.chown(save, self.cluster.uid, self.cluster.uid)
                launcher = self.start(*self.flags(save, longhaul=self.fault_rank))
                self.addCleanup(launcher.stdout.close)
                self.wait_for_step(save, 2, launcher)
                self.write_as_user("", "saves", name, name)
                self.assert_stops(launcher, fault)

    def test_daemon_that_cannot_start(self):
        """mpirun alone would wait for ever for the second host."""
        second = self.cluster.hosts[1]
        folder = self.cluster.make_folder("broken")
        orted = os.path.realpath(second.run("bash", "-c", "command -v orted").stdout.strip())
        fake = self.write_as_user("#!/bin/sh\nexit 0\n", "broken", "orted", mode=0o755)
        second.run("mount", "--bind", fake, orted)
        self.addCleanup(second.run, "umount", orted)
        launcher = self.start(*self.flags(os.path.join(folder, "save")))
        self.addCleanup(launcher.stdout.close)
        self.assert_stops(launcher, "a daemon that does not start", "10.77.7.2: Open MPI's daemon did not start")


if __name__ == "__main__":
    launch_support.main()
