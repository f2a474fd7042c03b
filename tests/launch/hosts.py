"""Several "hosts" on one machine, for tests: each has its own network, host name, processes, /dev/shm,
/tmp and /run (Linux namespaces) and its own sshd with password authentication. Needs root.

Nothing of the machine itself is touched: the network lives in namespaces, the account exists only in
the hosts' own /etc/passwd, and all of it ends with the test, however that ends. Files are the
machine's, so that folders are shared between the hosts as on a cluster; those of a test are in /var/tmp.

Only Python's standard library."""
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time

import host_processes

USER = "trainer"
NETWORK = "10.77.7"
SSHD = "/usr/sbin/sshd"
PATIENCE = 120  # seconds for something that takes one

# The first process of a host. It reaps what becomes an orphan, as init does.
INIT = r"""
set -e
hostname "$NAME"
mount -t tmpfs -o mode=1777,size="$SHM" tmpfs /dev/shm
mount -t tmpfs -o mode=0755,size=16m tmpfs /run
mount -t tmpfs -o mode=1777,size=64m tmpfs /tmp
mkdir /run/sshd
for file in passwd group shadow hosts; do mount --bind "$ETC/$file" "/etc/$file"; done
ip link set lo up
echo ready
exec >/dev/null
while :; do sleep 3600 & wait $! || true; done
"""


def why_not():
    """Why namespace hosts cannot be made here; empty when they can."""
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    for program in ("unshare", "nsenter", "setpriv", "ip", "ssh", "ssh-keygen", "perl", SSHD):
        if shutil.which(program) is None:
            return f"no {program}: install openssh-server and iproute2"
    tried = subprocess.run(["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "ip", "link", "add", "b0",
                            "type", "bridge"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"no network namespaces: {tried.stderr.strip()}"


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"no {what} after {PATIENCE} s"
        time.sleep(0.1)


def end_with_parent(command):
    """The command ends when this process does, even when that is killed."""
    return ["setpriv", "--pdeathsig", "KILL", *command]


class Host:
    """One host; pid is that of its first process, seen from the machine."""

    def __init__(self, name, address, folder, sshd_config):
        self.name = name
        self.address = address
        self.folder = folder
        self.sshd_config = sshd_config
        self.holder = None
        self.pid = None

    @property
    def hardware_address(self):
        return "02:00:" + ":".join(f"{int(part):02x}" for part in self.address.split("."))

    def boot(self, etc, shm):
        environment = {**os.environ, "NAME": self.name, "ETC": etc, "SHM": shm}
        self.holder = subprocess.Popen(
            end_with_parent(["unshare", "--net", "--uts", "--mount", "--ipc", "--pid", "--fork",
                             "--kill-child=KILL", "--mount-proc", "--propagation", "private", "bash", "-c", INIT]),
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        with self.holder.stdout:
            assert self.holder.stdout.readline() == "ready\n", f"host {self.name} did not come up"
        [self.pid] = host_processes.children_of(self.holder.pid)

    def command(self, *words, user=None, environment=()):
        """A command line that runs the words on this host, as root or as the account with this uid."""
        line = ["nsenter", "-t", str(self.pid), "-n", "-u", "-m", "-i", "-p", "--"]
        if user is not None:
            home = os.path.join(self.folder, "home")
            line += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "env", "-i",
                     f"HOME={home}", f"USER={USER}", f"LOGNAME={USER}", "SHELL=/bin/bash",
                     "PATH=/usr/local/bin:/usr/bin:/bin", *environment]
        return line + [str(word) for word in words]

    def run(self, *words, **options):
        return subprocess.run(self.command(*words, **options), capture_output=True, text=True, timeout=PATIENCE,
                              check=True, stdin=subprocess.DEVNULL)

    def processes(self):
        """All living processes of this host but its first one."""
        return [process for process in host_processes.of_pid_namespace(self.pid) if process.pid != self.pid]

    def is_up(self):
        return self.holder is not None and self.holder.poll() is None

    def crash(self):
        """Ends every process at once, as a reboot does."""
        os.kill(self.pid, signal.SIGKILL)
        self.holder.wait(timeout=PATIENCE)


class Cluster:
    """Hosts named h1, h2, ... on one network; use it as a context manager."""

    def __init__(self, count=3, shm="256m"):
        self.folder = tempfile.mkdtemp(prefix="longhaul-hosts-", dir="/var/tmp")
        self.uid = 61000 + os.getpid() % 4000
        self.password = secrets.token_urlsafe(12)
        self.shm = shm
        self.switch = None
        self.hosts = [Host(f"h{i}", f"{NETWORK}.{i}", self.folder, self.path(f"h{i}.sshd"))
                      for i in range(1, count + 1)]

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *unused):
        self.stop()

    def start(self):
        os.chmod(self.folder, 0o755)
        os.makedirs(self.path("home", ".ssh"))
        os.chmod(self.path("home", ".ssh"), 0o700)
        for folder in (self.path("home"), self.path("home", ".ssh")):
            os.chown(folder, self.uid, self.uid)
        self.write_etc()
        self.switch = subprocess.Popen(
            end_with_parent(["unshare", "--net", "bash", "-c",
                             "ip link add br0 type bridge && ip link set br0 up && echo ready && exec sleep 86400 >/dev/null"]),
            stdout=subprocess.PIPE, text=True)
        with self.switch.stdout:
            assert self.switch.stdout.readline() == "ready\n", "no network for the hosts"
        for host in self.hosts:
            self.boot(host)

    def boot(self, host):
        """Starts a host, also again after a crash."""
        host.boot(self.path("etc"), self.shm)
        port = self.port_of(host)
        # The same hardware address after a crash, or the other hosts would look for the old one for a while.
        self.on_switch("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "address", host.hardware_address,
                       "netns", str(host.pid))
        self.on_switch("ip", "link", "set", port, "master", "br0", "up")
        host.run("ip", "address", "add", f"{host.address}/24", "dev", "eth0")
        host.run("ip", "link", "set", "eth0", "up")
        self.start_sshd(host)

    def start_sshd(self, host):
        key = f"{host.sshd_config}.key"
        if not os.path.exists(key):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        with open(host.sshd_config, "w", encoding="utf-8") as file:
            file.write(f"Port 22\nListenAddress {host.address}\nHostKey {key}\nPidFile /run/sshd.pid\n"
                       "PasswordAuthentication yes\nKbdInteractiveAuthentication no\nUsePAM no\nUseDNS no\n"
                       f"AllowUsers {USER}\nMaxStartups 100\n")
        host.run(SSHD, "-f", host.sshd_config, "-E", self.path(f"{host.name}.sshd.log"))
        # It goes to the background first, then listens, then writes this file; which goes with it.
        wait_until(lambda: os.path.exists(self.sshd_pid_file(host)), f"sshd on {host.name}")

    @staticmethod
    def sshd_pid_file(host):
        return f"/proc/{host.pid}/root/run/sshd.pid"

    def change_host_key(self, host):
        """As after a reinstallation."""
        host.run("bash", "-c", "kill $(cat /run/sshd.pid)")
        wait_until(lambda: not os.path.exists(self.sshd_pid_file(host)), f"end of sshd on {host.name}")
        for suffix in (".key", ".key.pub"):
            os.remove(host.sshd_config + suffix)
        self.start_sshd(host)

    def port_of(self, host):
        return f"to-{host.name}"

    def on_switch(self, *words):
        subprocess.run(["nsenter", "-t", str(self.switch.pid), "-n", "--", *words], check=True,
                       timeout=PATIENCE)

    def cut_link(self, host):
        self.on_switch("ip", "link", "set", self.port_of(host), "down")

    def mend_link(self, host):
        self.on_switch("ip", "link", "set", self.port_of(host), "up")

    def write_etc(self):
        os.makedirs(self.path("etc"))
        hashed = subprocess.run(["perl", "-e", 'chomp(my $p = <STDIN>); print crypt($p, "\\$6\\$" . $ARGV[0] . "\\$")',
                                 secrets.token_hex(6)], input=self.password + "\n", capture_output=True,
                                text=True, check=True).stdout
        lines = {
            "passwd": f"{USER}:x:{self.uid}:{self.uid}::{self.path('home')}:/bin/bash\n",
            "group": f"{USER}:x:{self.uid}:\n",
            "shadow": f"{USER}:{hashed}:19000:0:99999:7:::\n",
        }
        for name, line in lines.items():
            with open(f"/etc/{name}", encoding="utf-8") as file:
                text = file.read()
            with open(self.path("etc", name), "w", encoding="utf-8") as file:
                file.write(text if text.endswith("\n") or not text else text + "\n")
                file.write(line)
        os.chmod(self.path("etc", "shadow"), 0o600)
        with open(self.path("etc", "hosts"), "w", encoding="utf-8") as file:
            file.write("127.0.0.1 localhost\n")
            file.writelines(f"{host.address} {host.name}\n" for host in self.hosts)

    def make_folder(self, *parts):
        """A folder that the account owns."""
        folder = self.path(*parts)
        os.makedirs(folder, exist_ok=True)
        os.chown(folder, self.uid, self.uid)
        return folder

    def user_processes(self):
        """What runs on the hosts under the test's account."""
        found = []
        for host in self.hosts:
            if host.pid is not None:
                found += [(host.name, process) for process in host.processes() if process.uid == self.uid]
        return found

    def wait_until_idle(self, seconds):
        """What still runs under the account after so many seconds; returns as soon as nothing does."""
        end = time.monotonic() + seconds
        while True:
            left = self.user_processes()
            if not left or time.monotonic() > end:
                return left
            time.sleep(0.1)

    def stop(self):
        for host in self.hosts:
            if host.is_up():
                host.holder.kill()
                host.holder.wait(timeout=PATIENCE)
        if self.switch is not None:
            self.switch.kill()
            self.switch.wait(timeout=PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)
