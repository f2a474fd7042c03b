"""Processes as /proc shows them: which belong to a host of hosts.py, their arguments and environment."""
import os
from collections import namedtuple

Process = namedtuple("Process", "pid name uid parent")


def read_bytes(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:  # the process ended meanwhile
        return b""


def look_at(pid):
    """None for a process that is gone or a zombie."""
    fields = {}
    for line in read_bytes(f"/proc/{pid}/status").decode(errors="replace").splitlines():
        name, _, value = line.partition(":")
        fields[name] = value.split()
    if not fields or fields.get("State", ["Z"])[0] in "ZX":
        return None
    return Process(int(pid), " ".join(fields["Name"]), int(fields["Uid"][0]), int(fields["PPid"][0]))


def everything():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        process = look_at(pid)
        if process is not None:
            yield process


def children_of(parent):
    return [process.pid for process in everything() if process.parent == parent]


def namespace_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def of_pid_namespace(pid):
    """Living processes in the same process namespace as pid; none when that is gone."""
    wanted = namespace_of(pid)
    if wanted is None:
        return []
    return [process for process in everything() if namespace_of(process.pid) == wanted]


def arguments(pid):
    return [part.decode(errors="replace") for part in read_bytes(f"/proc/{pid}/cmdline").split(b"\0")]


def environment(pid):
    return [part.decode(errors="replace") for part in read_bytes(f"/proc/{pid}/environ").split(b"\0")]
