#!/usr/bin/env python3
"""Runs clang-tidy over as many files as fit into a time.

Usage: .ci/tidy.py CLANG_TIDY BUILD SECONDS

The files that the last commits changed come first, then the others, in an order that each commit
shuffles, so that all have their turn. BUILD holds compile_commands.json. Findings that .clang-tidy
calls errors fail; others are printed.
"""
import concurrent.futures
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECENT_COMMITS = 10
SLOW = "cudnn_graph.cpp"  # cudnn_frontend.h alone takes minutes


def git(*words):
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=True).stdout


def changed_files():
    """Since the branch left origin/main; on it, or without it, in the last commits and the work tree."""
    base = subprocess.run(["git", "-C", ROOT, "merge-base", "origin/main", "HEAD"], capture_output=True, text=True)
    commit = base.stdout.strip()
    if not commit or commit == git("rev-parse", "HEAD").strip():
        commits = git("rev-list", "--first-parent", "-n", str(RECENT_COMMITS + 1), "HEAD").split()
        commit = commits[-1]
    return {ROOT / name for name in git("diff", "--name-only", commit).splitlines()}


def in_order(build):
    files = [Path(entry["file"]) for entry in json.loads((build / "compile_commands.json").read_text())]
    files = sorted({file for file in files if file.suffix == ".cpp" and file.name != SLOW and ROOT in file.parents})
    random.Random(git("rev-parse", "HEAD")).shuffle(files)
    changed = changed_files()
    return sorted(files, key=lambda file: file not in changed), sum(file in changed for file in files)


def main():
    clang_tidy, build, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    files, changed = in_order(build)
    deadline = time.monotonic() + seconds

    def check(file):
        if time.monotonic() > deadline:
            return None
        command = [clang_tidy, "--quiet", "-p", build, file]
        return subprocess.run(command, capture_output=True, text=True)

    looked_at, failed = 0, 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, result in zip(files, pool.map(check, files)):
            looked_at += result is not None
            if result is None:
                continue
            if result.returncode != 0:
                failed += 1
                print(result.stdout or f"{file}: {result.stderr}")
            elif result.stdout:
                print(result.stdout)
    print(f"clang-tidy looked at {looked_at} of {len(files)} files ({min(looked_at, changed)} of {changed} that "
          f"changed) in {seconds:.0f} s; {failed} with errors")
    return 1 if failed or looked_at == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
