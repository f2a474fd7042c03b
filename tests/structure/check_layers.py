#!/usr/bin/env python3
"""Checks that no file includes upward, and that no folder is crowded.

Usage: check_layers.py [--write] [ROOT]

The order of the folders of src/ and kernels/ is in tests/structure/layers.txt; every mistake is printed
with file, line and rule. The picture of it in docs/images must be current: --write draws it.
ROOT is the project's folder (default: the one that holds this script).
"""
import argparse
import re
import sys
from collections import Counter
from pathlib import Path

from draw_layers import draw_layers

LAYERS = "tests/structure/layers.txt"
PICTURE = "docs/images/layers.svg"
CODE = {".h", ".cpp", ".cu", ".cuh", ".inc"}
SOURCES = CODE | {".c", ".py", ".sh"}
MOST_SOURCES = 45
INCLUDE = re.compile(r'\s*#\s*include\s*(["<])([^">]+)')


def read_floors(path):
    """{folder: {what lies in it: number of its floor, the highest 0}}; "" is src/ and kernels/."""
    floors = {"": {}}
    folder, number = "", 0
    for at, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if line.startswith("["):
            folder, number = line.strip("[]"), 0
            if folder in floors:
                sys.exit(f"{path}:{at}: [{folder}] is there twice")
            floors[folder] = {}
        elif line:
            for name in line.split():
                if name in floors[folder]:
                    sys.exit(f"{path}:{at}: '{name}' is there twice: a folder has one floor")
                floors[folder][name] = number
            number += 1
    return floors


def code_files(root):
    """{path as in #include: file}"""
    found = {}
    for base, top in ((root / "src", root / "src"), (root, root / "kernels")):
        for file in sorted(top.rglob("*")):
            if file.suffix in CODE and file.parent != root / "src":
                found[file.relative_to(base).as_posix()] = file
    return found


def steps_to(folder):
    """The headings and names that lead to a folder's files: ("", "data"), ("data", "rows"), ("data/rows", ".")."""
    parts = folder.split("/")
    return [("/".join(parts[:i]), name) for i, name in enumerate([*parts, "."])]


def check_places(floors, folders):
    """Every folder has a place in layers.txt, and every place is a folder's."""
    wanted = {step for folder in folders for step in steps_to(folder)}
    wanted = {(heading, name) for heading, name in wanted if name != "." or heading in floors}
    places = {(heading, name) for heading, names in floors.items() for name in names}
    for heading, name in sorted(wanted - places):
        yield f"{LAYERS}: '{name}' has no floor under [{heading}]: give it one"
    for heading, name in sorted(places - wanted):
        yield f"{LAYERS}: '{name}' under [{heading}] is no folder with code: take it out"


def broken_rule(floors, user, used):
    """Why files of folder `user` must not include from folder `used`; None when they may."""
    for (heading, name), (_, other) in zip(steps_to(user), steps_to(used)):
        if name == other:
            continue
        floor, other_floor = floors.get(heading, {}).get(name), floors.get(heading, {}).get(other)
        if floor is None or other_floor is None or floor < other_floor:
            return None  # what has no floor is reported by check_places()
        where = f" inside {heading}/" if heading else ""
        return f"'{name}' is {'below' if floor > other_floor else 'beside'} '{other}'{where}"
    return None


def check_includes(root, floors, files):
    for path, file in files.items():
        folder = path.rpartition("/")[0]
        for at, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            used = next((name for name in (match[2], f"{folder}/{match[2]}") if name in files), None)
            if used is None and match[1] == "<":
                continue  # a library's
            rule = "there is no such file under src/ or kernels/"
            if used is not None:
                rule = broken_rule(floors, folder, used.rpartition("/")[0])
            if rule:
                yield f"{file.relative_to(root)}:{at}: {line.strip()}: {rule} ({LAYERS})"


def check_crowding(root):
    for top in ("src", "kernels", "tests"):
        counts = Counter(f.parent for f in (root / top).rglob("*") if f.suffix in SOURCES)
        for folder, count in sorted(counts.items()):
            if count > MOST_SOURCES:
                yield (f"{folder.relative_to(root)}/: {count} source files, more than {MOST_SOURCES}: "
                       "split it by what the files are about")


def check_picture(root, floors, write):
    drawn, file = draw_layers(floors), root / PICTURE
    if write:
        file.write_text(drawn)
    elif not file.exists() or file.read_text() != drawn:
        yield f"{PICTURE}: the picture of the layers is old: run tests/structure/check_layers.py --write"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"draw {PICTURE}")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parents[2])
    options = parser.parse_args()
    floors = read_floors(options.root / LAYERS)
    files = code_files(options.root)
    faults = [
        *check_places(floors, {path.rpartition("/")[0] for path in files}),
        *check_includes(options.root, floors, files),
        *check_crowding(options.root),
        *check_picture(options.root, floors, options.write),
    ]
    print(*faults, f"{len(files)} files, {len(faults)} faults", sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
