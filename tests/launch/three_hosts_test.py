"""The launcher on three hosts with their own sshd: training, passwords and keys, signals."""
import os
import re
import signal
import subprocess
import threading
import time

import host_processes
import launch_support
from launch_support import running

LOOKS = 3  # at the ranks, before they go on


class PasswordWatch:
    """Looks for a password in the arguments and environment of every process of the hosts, again and
    again, and in the files of every host's /tmp and /dev/shm."""

    def __init__(self, cluster, password):
        self.cluster = cluster
        self.password = password
        self.places = set()
        self.looks_at_ranks = 0
        self.rank_variables = set()
        self.running = True
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.running = False
        self.thread.join()

    def watch(self):
        while self.running:
            ranks = sum(self.look_at(host, process) for host in self.cluster.hosts for process in host.processes())
            self.look_at_files()
            if ranks >= len(self.cluster.hosts):
                self.looks_at_ranks += 1
            time.sleep(0.1)

    def look_at(self, host, process):
        """True for a rank."""
        # The process that starts the launcher in a test is no part of it.
        if process.name in ("nsenter", "setpriv"):
            return False
        words = host_processes.arguments(process.pid)
        variables = host_processes.environment(process.pid)
        # The launcher itself may hold it for the moment until it has replaced itself.
        if any(self.password in word for word in words):
            self.places.add(f"arguments of {process.name} on {host.name}")
        if any(self.password in variable for variable in variables):
            self.places.add(f"environment of {process.name} on {host.name}")
        if not launch_support.LaunchTest.is_rank(process):
            return False
        self.rank_variables.update(variable.partition("=")[0] for variable in variables)
        return True

    def look_at_files(self):
        for host in self.cluster.hosts:
            for folder in ("tmp", "dev/shm"):
                self.places.update(files_with(f"/proc/{host.pid}/root/{folder}", self.password))


def files_with(folder, text):
    found = subprocess.run(["grep", "-rlF", "-e", text, folder], capture_output=True, text=True, check=False)
    return found.stdout.split()


class ThreeHosts(launch_support.LaunchTest):
    def finish_watched(self, watch, save, launcher):
        """The ranks wait after their first step until they have been looked at; what the launcher printed."""
        self.addCleanup(launcher.stdout.close)
        self.wait_for(lambda: watch.looks_at_ranks >= LOOKS, launcher, "look at the ranks")
        running.release(save)
        output, _ = launcher.communicate(timeout=launch_support.TIMEOUT)
        self.assertEqual(launcher.returncode, 0, output)
        return output

    def assert_secret(self, watch, text=""):
        self.assertEqual(watch.places, set())
        self.assertIn("OMPI_COMM_WORLD_RANK", watch.rank_variables)
        self.assertFalse({"SSH_ASKPASS", "LONGHAUL_SSH_PASSWORD"} & watch.rank_variables)
        self.assertNotIn(self.cluster.password, text)
        self.assertEqual(files_with(self.cluster.folder, self.cluster.password), [self.password_file])

    def test_quick_start_model_with_a_password(self):
        model = self.init_quick_start_model()
        save = self.save("quickstart")
        flags = self.flags(save, longhaul=self.held_program, model=model,
                           dataset=self.path("mpi_launch/quickstart/agent_sample.jsonl"),
                           max_length=1024, save_interval=2, train=["--train_iters", 3])
        with PasswordWatch(self.cluster, self.cluster.password) as watch:
            output = self.finish_watched(watch, save, self.start_held(save, 1, *flags))
        self.assertEqual(len(self.losses(save, 3)), 3)
        self.assertIn("TP 1 x CP 1 x DP 3 on 3 ranks", output)
        self.assert_secret(watch, output)
        self.assert_nothing_left()
        with open(os.path.join(save, "launch", "hostfile"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "".join(f"{host.address} slots=1\n" for host in self.cluster.hosts))

    def test_password_from_the_environment(self):
        save = self.save("environment")
        flags = self.flags(save, longhaul=self.held_program, ssh_password_file=None)
        launcher = self.start_held(save, 1, *flags, environment=[f"LONGHAUL_SSH_PASSWORD={self.cluster.password}"])
        self.wait_for(self.ranks, launcher, "a rank")
        with PasswordWatch(self.cluster, self.cluster.password) as watch:
            output = self.finish_watched(watch, save, launcher)
        self.assert_secret(watch, output)

    def test_password_as_an_argument(self):
        save = self.save("argument")
        flags = self.flags(save, longhaul=self.held_program, ssh_password_file=None, ssh_password=self.cluster.password)
        launcher = self.start_held(save, 1, *flags)
        self.wait_for(self.ranks, launcher, "a rank")
        with PasswordWatch(self.cluster, self.cluster.password) as watch:
            output = self.finish_watched(watch, save, launcher)
        self.assertIn("every user of this machine can read command lines", output)
        self.assert_secret(watch, output)

    def test_key_without_a_password_from_a_machine_outside(self):
        key = self.path("home", "key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        os.chown(key, self.cluster.uid, self.cluster.uid)
        with open(key + ".pub", encoding="utf-8") as file:
            keys = self.write_as_user(file.read(), "home", ".ssh", "authorized_keys", mode=0o600)
        config = self.write_as_user(f"IdentityFile {key}\n", "home", ".ssh", "config", mode=0o600)
        self.addCleanup(os.remove, keys)
        self.addCleanup(os.remove, config)
        # h3 starts the job and takes no part; the hosts have names this time, and two ranks each.
        hosts_file = self.write_as_user("# two of three\nh1\nh2  # the second\n", "home", "hosts.txt")
        save = self.save("key")
        result = self.launch(*self.flags(save, ips=None, ip_file=hosts_file, ssh_password_file=None, nproc_per_node=2,
                                         context_parallel_size=2), host=2)
        self.assert_launched(result)
        self.assertIn("TP 1 x CP 2 x DP 2 on 4 ranks", result[1])
        self.assert_nothing_left()

    def endless_job(self, name, **changes):
        """A job of which the test knows that it does not end by itself: a step does not."""
        save = self.save(name)
        flags = self.flags(save, longhaul=self.held_program, save_interval=running.ENDLESS,
                           train=["--train_iters", running.ENDLESS], **changes)
        launcher = self.start_held(save, 2, *flags)
        self.addCleanup(launcher.stdout.close)
        self.wait_for_step(save, 2, launcher)
        [last] = self.ranks(self.cluster.hosts[2])
        os.kill(last.pid, signal.SIGUSR2)
        self.wait_for(lambda: not running.in_signal_set(last.pid, "ShdPnd", signal.SIGUSR2), launcher, "a hang")
        return launcher

    def test_ports_and_network_are_those_asked_for(self):
        launcher = self.endless_job("ports", port=31000)
        listening = {}
        for host in self.cluster.hosts:
            text = host.run("ss", "-Hltnp").stdout
            for local, program in re.findall(r"LISTEN +\S+ +\S+ +(\S+) .*\"(mpirun|orted|longhaul)\"", text):
                address, _, port = local.rpartition(":")
                if address != "127.0.0.1":  # Open MPI's daemon for the ranks of its own host
                    listening.setdefault(program, set()).add(int(port))
        self.interrupt_twice(launcher, signal.SIGTERM)
        self.assertTrue(listening.get("longhaul"), "no listening rank seen")
        # One port of rank 0 is the watchdog's, which the system chooses.
        self.assertLessEqual(len(listening["longhaul"] - set(range(31004, 31064))), 1)
        self.assertLessEqual({port for program in ("mpirun", "orted") for port in listening.get(program, ())},
                             set(range(31000, 31004)))
        self.assert_nothing_left()

    def interrupt_twice(self, launcher, number):
        """The second signal follows as soon as the launcher has said that it has got the first one."""
        script = self.launcher_script()
        os.kill(script, number)
        heard = []
        for line in launcher.stdout:
            heard.append(line)
            if line.startswith("Stopping:"):
                break
        began = time.monotonic()
        os.kill(script, number)
        output, _ = launcher.communicate(timeout=launch_support.TIMEOUT)
        return "".join(heard) + output, time.monotonic() - began

    def test_two_interrupts_end_everything_at_once(self):
        launcher = self.endless_job("interrupted")
        output, seconds = self.interrupt_twice(launcher, signal.SIGINT)
        self.assertEqual(launcher.returncode, 130, output)
        self.assertIn("Ending all ranks at once.", output)
        self.assert_nothing_left()
        print(f"everything ended {seconds:.1f} s after two interrupts")

    def test_nothing_stays_when_the_launcher_is_killed(self):
        launcher = self.endless_job("killed-launcher")
        for host in self.cluster.hosts:  # nobody is there to remove files
            self.addCleanup(host.run, "bash", "-c", "rm -rf /tmp/longhaul-*")
        began = time.monotonic()
        os.kill(self.launcher_script(), signal.SIGKILL)
        launcher.communicate(timeout=launch_support.TIMEOUT)
        self.assertEqual(self.cluster.wait_until_idle(launch_support.TIMEOUT), [])
        print(f"everything ended {time.monotonic() - began:.1f} s after kill -9 of the launcher")

    def test_dry_run_contacts_nobody(self):
        save = self.save("dry")
        status, output, _ = self.launch("--dry_run", *self.flags(save, ips="10.77.7.201,10.77.7.202", nproc_per_node=4,
                                                                 context_parallel_size=8))
        self.assertEqual(status, 0, output)
        self.assertIn("10.77.7.201 slots=4\n10.77.7.202 slots=4\n", output)
        self.assertIn("-n 8", output)
        self.assertFalse(os.path.exists(save))

    def test_scripts_for_models_have_their_defaults(self):
        hosts = ["10.0.8.7", "10.0.8.8", "10.0.8.9", "10.0.8.11"]
        for script, micro, total, cp, layout in (("Qwen3_32B_agent_sft.sh", 8, 64, 4, "--context_parallel_size 4"),
                                                 ("Qwen2.5_72B_agent_sft.sh", 4, 32, 8, "longhaul chooses one")):
            with self.subTest(script):
                status, output, _ = self.launch(
                    "--ips", ",".join(hosts), "--ssh_password", "not a secret", "--save", "/path/to/output", "--dataset",
                    "/path/to/jsonl", "--model", "/path/to/model", "--dry_run", script=script)
                self.assertEqual(status, 0, output)
                text = " ".join(output.replace("\\\n", " ").split())
                self.assertIn(" ".join(f"{host} slots=8" for host in hosts), text)
                for flags in ("-n 32", f"--micro_bs {micro} --global_bs {total}", layout, "--max_length 64000 --epochs 1",
                              "--save_interval 50", "--lr 1e-5 --min_lr 1e-6 --lr_warmup_fraction 0.05", "--port 29900",
                              "--packing true --loss_scale ignore_empty_think --template_mode hf"):
                    self.assertIn(flags, text)
                self.assertNotIn("not a secret", output)
                # What may be left out may be given, too: names with -, values after =.
                status, output, _ = self.launch(
                    "--ips", "no-such-host,10.0.8.2", "--save", "/s", "--dataset", "/d",
                    "--load=/checkpoint", "--dry-run", f"--context-parallel-size={cp}", "--micro_bs=1", script=script)
                self.assertEqual(status, 2, output)
                self.assertIn("cannot be resolved", output)
                status, output, _ = self.launch(
                    "--ips", "10.0.8.1,10.0.8.2,10.0.8.3,10.0.8.4,10.0.8.5,10.0.8.6,10.0.8.7,10.0.8.8", "--save", "/s",
                    "--dataset", "/d", "/e", "--load=/checkpoint", "--dry-run", f"--context-parallel-size={cp}",
                    "--micro_bs=1", "--", "--seed", "3", script=script)
                self.assertEqual(status, 0, output)
                text = " ".join(output.replace("\\\n", " ").split())
                for flags in ("--model /checkpoint --dataset /d /e", f"--context_parallel_size {cp}", "--micro_bs 1",
                              "--seed 3"):
                    self.assertIn(flags, text)


if __name__ == "__main__":
    launch_support.main()
