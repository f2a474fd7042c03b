"""Hosts on which a job cannot run: each mistake gets a message within seconds that names the host and what
to do, exit status 2, and nothing is left running."""
import contextlib
import os
import subprocess

import launch_support

# Seconds. On a quiet machine it takes a few, and 8 for a silent address; the system itself gives up on one
# after two minutes.
LONGEST = 90.0


class BadHosts(launch_support.LaunchTest):
    def assert_refused(self, flags, *words, absent=()):
        status, output, seconds = self.launch(*flags)
        self.assertEqual(status, 2, output)
        self.assertLess(seconds, LONGEST)
        errors = [line for line in output.splitlines() if line.startswith("error:")]
        self.assertEqual(len(errors), 1, output)
        for word in words:
            self.assertIn(word, output)
        for word in absent:
            self.assertNotIn(word, output)
        self.assert_nothing_left()
        return output

    def row(self, host, output):
        """The table's lines about a host."""
        return "\n".join(line for line in output.splitlines() if line.strip().startswith(f"{host} "))

    @contextlib.contextmanager
    def mounted(self, host, folder):
        """An empty file system in the place of a folder, on one host only."""
        host.run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", folder)
        try:
            yield
        finally:
            host.run("umount", folder)

    def write_on(self, host, path, text, mode="0755"):
        subprocess.run(host.command("bash", "-c", 'cat >"$1" && chmod "$2" "$1"', "-", path, mode), input=text, text=True,
                       check=True, timeout=launch_support.TIMEOUT)

    def test_wrong_password(self):
        wrong = self.write_as_user("wrong\n", "home", "wrong", mode=0o600)
        output = self.assert_refused(self.flags(self.save("wrong"), ssh_password_file=wrong))
        for host in ("10.77.7.2", "10.77.7.3"):
            self.assertIn("refuses user trainer with this password", self.row(host, output))
            self.assertIn("check the password and --user", self.row(host, output))
        self.assertEqual(self.row("10.77.7.1", output), "", "the launcher's own host needs no ssh")

    def test_no_password_and_no_key(self):
        output = self.assert_refused(self.flags(self.save("none"), ssh_password_file=None))
        self.assertIn("without a password", self.row("10.77.7.2", output))
        self.assertIn("--ssh_password_file", self.row("10.77.7.2", output))

    def test_password_file_that_others_can_read(self):
        path = self.write_as_user("secret\n", "home", "open", mode=0o644)
        output = self.assert_refused(self.flags(self.save("open"), ssh_password_file=path), "chmod 600")
        self.assertNotIn("secret", output)

    def test_silent_address(self):
        output = self.assert_refused(self.flags(self.save("silent"), ips="10.77.7.1,10.77.7.99"))
        self.assertIn("does not answer", self.row("10.77.7.99", output))
        self.assertIn("leave it out of --ips", self.row("10.77.7.99", output))

    def test_no_sshd_on_the_port(self):
        output = self.assert_refused(self.flags(self.save("port22"), ssh_port=2222))
        self.assertIn("nothing listens on ssh port 2222", self.row("10.77.7.3", output))
        self.assertIn("--ssh_port", self.row("10.77.7.3", output))

    def test_unknown_host_key(self):
        output = self.assert_refused(self.flags(self.save("unknown"), host_keys="known"))
        self.assertIn("host key is unknown", self.row("10.77.7.2", output))
        self.assertIn("--host_keys accept-new", self.row("10.77.7.2", output))

    def test_changed_host_key(self):
        save = self.save("changed")
        missing = self.path("data", "missing.jsonl")
        # The first attempt gets to know the keys, and stops for another reason.
        self.assert_refused(self.flags(save, dataset=missing), "missing.jsonl")
        self.cluster.change_host_key(self.cluster.hosts[2])
        output = self.assert_refused(self.flags(save))
        self.assertIn("host key has changed", self.row("10.77.7.3", output))
        self.assertIn(f"ssh-keygen -R '10.77.7.3' -f '{save}/launch/known_hosts'", self.row("10.77.7.3", output))
        self.assertEqual(self.row("10.77.7.2", output), "")

    def test_unresolvable_name(self):
        output = self.assert_refused(self.flags(self.save("name"), ips="h1,h2,no-such-host"))
        self.assertIn("cannot be resolved", self.row("no-such-host", output))
        self.assertIn("/etc/hosts", self.row("no-such-host", output))

    def test_one_host_twice(self):
        output = self.assert_refused(self.flags(self.save("twice"), ips="10.77.7.1,10.77.7.2,10.77.7.2"))
        self.assertIn("listed twice", self.row("10.77.7.2", output))
        output = self.assert_refused(self.flags(self.save("twice"), ips="10.77.7.1,10.77.7.2,h2"))
        self.assertIn("the same machine as 10.77.7.2", self.row("h2", output))
        self.assertIn("remove one", self.row("h2", output))

    def test_different_numbers_of_gpus(self):
        with contextlib.ExitStack() as mounts:
            for host, gpus in zip(self.cluster.hosts, (8, 4, 8)):
                mounts.enter_context(self.mounted(host, "/usr/local/bin"))
                self.write_on(host, "/usr/local/bin/nvidia-smi",
                              f"#!/bin/sh\nfor i in $(seq {gpus}); do echo NVIDIA H100 80GB HBM3; done\n")
            output = self.assert_refused(self.flags(self.save("gpus"), backend="auto"))
            self.assertIn("has 4 GPUs, but the other hosts have 8", self.row("10.77.7.2", output))
            self.assertIn("--nproc_per_node", self.row("10.77.7.2", output))
            self.assertEqual(self.row("10.77.7.1", output), "")
            output = self.assert_refused(self.flags(self.save("gpus"), backend="auto", nproc_per_node=8))
            self.assertIn("has 4 GPUs for --nproc_per_node 8", self.row("10.77.7.2", output))
            # Equal numbers decide how many ranks there are: with a layout that they do not allow.
            self.write_on(self.cluster.hosts[1], "/usr/local/bin/nvidia-smi", "#!/bin/sh\nseq 8\n")
            self.assert_refused(self.flags(self.save("gpus"), backend="auto", tensor_model_parallel_size=16),
                                "3 hosts x 8 ranks = 24")
            self.write_on(self.cluster.hosts[1], "/usr/local/bin/nvidia-smi",
                          "#!/bin/sh\necho NVIDIA-SMI has failed because it could not communicate\nexit 9\n")
            output = self.assert_refused(self.flags(self.save("gpus"), backend="auto"))
            self.assertIn("could not communicate", self.row("10.77.7.2", output))

    def test_program_missing_or_other_on_one_host(self):
        second = self.cluster.hosts[1]
        with self.mounted(second, self.path("bin")):
            output = self.assert_refused(self.flags(self.save("program")))
            self.assertIn(f"no program {self.program}", self.row("10.77.7.2", output))
            self.assertIn("--longhaul", self.row("10.77.7.2", output))
            self.write_on(second, self.program, "#!/bin/sh\necho Longhaul 9.9.9\n")
            output = self.assert_refused(self.flags(self.save("program")))
            self.assertIn("Longhaul 9.9.9, but the other hosts have longhaul", self.row("10.77.7.2", output))
            self.assertIn("the same build", self.row("10.77.7.2", output))
            self.write_on(second, self.program, "#!/no/such/interpreter\n")
            output = self.assert_refused(self.flags(self.save("program")))
            self.assertIn("does not start", self.row("10.77.7.2", output))

    def test_another_open_mpi_on_one_host(self):
        with self.mounted(self.cluster.hosts[1], "/usr/local/bin"):
            self.write_on(self.cluster.hosts[1], "/usr/local/bin/mpirun", "#!/bin/sh\necho 'mpirun (Open MPI) 3.1.4'\n")
            output = self.assert_refused(self.flags(self.save("open-mpi")))
            self.assertIn("3.1.4, but the other hosts have", self.row("10.77.7.2", output))
            self.assertIn("the same Open MPI", self.row("10.77.7.2", output))

    def test_occupied_port(self):
        listen = "import socket, time\ns = socket.socket()\ns.bind(('0.0.0.0', 29900))\ns.listen()\nprint('ready', flush=True)\ntime.sleep(600)\n"
        holder = subprocess.Popen(self.cluster.hosts[1].command("/usr/bin/env", "python3", "-c", listen),
                                  stdout=subprocess.PIPE, text=True)
        with holder.stdout:
            self.assertEqual(holder.stdout.readline(), "ready\n")
        try:
            output = self.assert_refused(self.flags(self.save("occupied")))
            self.assertIn("port 29900 is in use", self.row("10.77.7.2", output))
            self.assertIn("give another --port", self.row("10.77.7.2", output))
        finally:
            for process in self.cluster.hosts[1].processes():
                if process.parent == holder.pid:
                    os.kill(process.pid, 9)
            holder.wait(timeout=launch_support.TIMEOUT)

    def test_data_on_the_first_host_only(self):
        local = self.cluster.make_folder("local")
        with self.mounted(self.cluster.hosts[0], local):
            with open(self.rows, encoding="utf-8") as file:
                self.write_on(self.cluster.hosts[0], os.path.join(local, "rows.jsonl"), file.read(), "0644")
            flags = self.flags(self.save("local"), dataset=os.path.join(local, "rows.jsonl#20"))
            output = self.assert_refused(flags)
            for host in ("10.77.7.2", "10.77.7.3"):
                self.assertIn(f"no such file or folder: {local}/rows.jsonl", self.row(host, output))
                self.assertIn("shared file system", self.row(host, output))
            self.assertEqual(self.row("10.77.7.1", output), "")

    def test_full_shared_memory(self):
        third = self.cluster.hosts[2]
        third.run("fallocate", "-l", "254M", "/dev/shm/full")
        try:
            output = self.assert_refused(self.flags(self.save("shm")))
            self.assertIn("/dev/shm is full", self.row("10.77.7.3", output))
            self.assertIn("mount it larger", self.row("10.77.7.3", output))
        finally:
            third.run("rm", "/dev/shm/full")

    def test_save_directory_that_cannot_be_written(self):
        self.assert_refused(self.flags("/usr/lib/here"), "h1", "--launch_dir")
        output = self.assert_refused(self.flags("/usr/lib/here", launch_dir=self.path("home", "launch")))
        self.assertIn("trainer may not write to /usr/lib", self.row("10.77.7.3", output))

    def test_everything_is_told_at_once(self):
        flags = self.flags(self.save("all"), ips="10.77.7.1,10.77.7.2,10.77.7.99,h7", model=self.path("data", "no-model"))
        # What needs no connection comes first, by itself.
        self.assert_refused(flags, "h7", absent=["no-model"])
        flags = self.flags(self.save("all"), ips="10.77.7.1,10.77.7.2,10.77.7.99", model=self.path("data", "no-model"),
                           dataset=self.path("data", "no-rows.jsonl"))
        output = self.assert_refused(flags, "what to do")
        self.assertIn("does not answer", self.row("10.77.7.99", output))
        for host in ("10.77.7.1", "10.77.7.2"):
            self.assertIn("no-model", self.row(host, output))
            self.assertIn("no-rows.jsonl", self.row(host, output))

    def test_flags(self):
        save = self.save("flags")
        cases = [
            (["--ips", "10.77.7.1", "--save", save, "--dataset", self.rows], "--model is missing"),
            (["--save", save, "--dataset", self.rows, "--model", self.model], "--ips is missing"),
            (["--ips", "10.77.7.1", "--dataset", self.rows, "--model", self.model], "--save is missing"),
            (["--ips", "10.77.7.1", "--save", save, "--model", self.model], "--dataset is missing"),
            (["--ips", "a b;$(touch x)", *self.flags(save, ips=None)], "host"),
            (self.flags(save, micro_bs="many"), "--micro_bs many: give a whole number"),
            (self.flags(save, port=70000), "--port 70000: give a whole number from 1 to 65535"),
            (self.flags(save, backend="tpu"), "--backend tpu: choose auto, cpu or cuda"),
            (["--micro_batch", "3", *self.flags(save)], "unknown flag --micro_batch; did you mean --micro_bs?"),
            (["--elastic", "--elastic", *self.flags(save)], "more than once"),
            (["extra", *self.flags(save)], "unexpected argument 'extra'"),
            (self.flags(save, train=["--lr", "1"]), "--lr after --"),
            (self.flags(save, ips="10.77.7.1", tensor_model_parallel_size=3), "no multiple of it"),
        ]
        for flags, word in cases:
            with self.subTest(word=word):
                self.assert_refused(flags, word)
        self.assertFalse(os.path.exists("x"))


if __name__ == "__main__":
    launch_support.main()
