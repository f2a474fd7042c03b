"""Slurm's own daemons (slurmctld, slurmd, munged) on the hosts of hosts.py: the first host controls, the
others are nodes. Slurm and munge come from the system's packages; their configuration, keys and state are
in the test's folder."""
import glob
import os
import pwd
import secrets
import shutil
import subprocess

import hosts

CONFIGURATION = """
ClusterName=test
SlurmctldHost=h1(10.77.7.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
StateSaveLocation={folder}/state
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdSpoolDir={folder}/spool.%n
# The hosts share /tmp, where the nodes' files would otherwise meet.
TmpFS={folder}/tmp.%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdParameters=config_overrides
# On a busy machine everything may take its time.
SlurmctldTimeout=600
SlurmdTimeout=600
MessageTimeout=90
BatchStartTimeout=300
KillWait=5
MinJobAge=600
InactiveLimit=0
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
JobRequeue=1
{plugins}
{nodes}
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not():
    for program in ("slurmctld", "slurmd", "sbatch", "munged"):
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin") is None:
            return f"no {program}: install slurm-wlm and munge"
    return hosts.why_not()


class SlurmCluster(hosts.Cluster):
    """Hosts with Slurm on them; plugins whose names begin with one of `without` are left out."""

    def __init__(self, nodes=2, without=()):
        super().__init__(nodes + 1)
        self.without = without

    @property
    def nodes(self):
        return self.hosts[1:]

    def start(self):
        super().start()
        self.slurm = self.path("slurm-state")
        os.makedirs(os.path.join(self.slurm, "state"))
        os.chmod(self.slurm, 0o755)
        self.write_configuration()
        for host in self.hosts:
            self.start_munged(host)
        self.on(self.hosts[0], "slurmctld")
        for node in self.nodes:
            os.makedirs(os.path.join(self.slurm, f"tmp.{node.name}"))
            os.chmod(os.path.join(self.slurm, f"tmp.{node.name}"), 0o1777)
            self.on(node, "slurmd", "-N", node.name)
        hosts.wait_until(self.all_nodes_are_idle, "idle nodes")

    def all_nodes_are_idle(self):
        states = self.try_on(self.hosts[0], "sinfo", "-h", "-N", "-o", "%T")
        return states.stdout.split() == ["idle"] * len(self.nodes)

    def write_configuration(self):
        plugins = ""
        if self.without:
            folder = os.path.join(self.slurm, "plugins")
            os.makedirs(folder)
            for plugin in glob.glob("/usr/lib/*/slurm-wlm/*.so"):
                name = os.path.basename(plugin)
                if not name.startswith(self.without):
                    os.symlink(plugin, os.path.join(folder, name))
            plugins = f"PluginDir={folder}"
        nodes = "\n".join(f"NodeName={node.name} NodeAddr={node.address} CPUs=4 RealMemory=2000 State=UNKNOWN"
                          for node in self.nodes)
        self.configuration = os.path.join(self.slurm, "slurm.conf")
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(folder=self.slurm, nodes=nodes, plugins=plugins))
        with open(os.path.join(self.slurm, "cgroup.conf"), "w", encoding="utf-8") as file:
            file.write("CgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\n")

    def start_munged(self, host):
        account = pwd.getpwnam("munge")
        folder = os.path.join(self.slurm, f"munge.{host.name}")
        os.makedirs(folder)
        key = os.path.join(folder, "key")
        shared = os.path.join(self.slurm, "munge.key")
        if not os.path.exists(shared):
            with open(shared, "wb") as file:
                file.write(secrets.token_bytes(128))
            os.chmod(shared, 0o600)
        shutil.copy(shared, key)
        os.chmod(key, 0o400)
        for path in (folder, key):
            os.chown(path, account.pw_uid, account.pw_gid)
        host.run("install", "-d", "-o", "munge", "-g", "munge", "-m", "0755", "/run/munge")
        host.run("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups",
                 "/usr/sbin/munged", "--force", f"--key-file={key}", f"--log-file={folder}/log",
                 f"--pid-file={folder}/pid", f"--seed-file={folder}/seed")

    def command(self, host, *words, user=None, environment=()):
        line = ["env", f"SLURM_CONF={self.configuration}", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                *environment, *words]
        return host.command(*line, user=user)

    def try_on(self, host, *words, **options):
        return subprocess.run(self.command(host, *words, **options), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=hosts.PATIENCE, check=False, cwd=self.folder)

    def on(self, host, *words, **options):
        done = self.try_on(host, *words, **options)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def submit(self, *words, environment=()):
        """sbatch as the account; the job's number."""
        out = self.on(self.hosts[0], "sbatch", "--parsable", *words, user=self.uid, environment=environment)
        return int(out.split(";")[0])

    def job(self, number):
        """scontrol's fields of a job."""
        text = self.on(self.hosts[0], "scontrol", "show", "job", "-o", str(number))
        return dict(part.split("=", 1) for part in text.split() if "=" in part)
