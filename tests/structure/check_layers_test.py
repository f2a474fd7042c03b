#!/usr/bin/env python3
"""check_layers.py on copies of the project with one mistake each."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LAYERS = "tests/structure/layers.txt"


class CheckLayers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for name in ("src", "kernels", "tests/structure", "docs/images"):
            shutil.copytree(ROOT / name, self.root / name)

    def check(self, *options):
        """Exit status, and what was printed."""
        command = [sys.executable, HERE / "check_layers.py", *options, self.root]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def assert_fault(self, *parts):
        status, printed = self.check()
        self.assertEqual(status, 1, printed)
        for part in parts:
            self.assertIn(part, printed)
        return printed

    def add(self, file, text):
        with open(self.root / file, "a", encoding="utf-8") as out:
            out.write(text)

    def replace(self, file, old, new):
        text = (self.root / file).read_text()
        self.assertIn(old, text)
        (self.root / file).write_text(text.replace(old, new, 1))

    def test_the_project_has_no_fault(self):
        status, printed = self.check()
        self.assertEqual((status, " 0 faults" in printed), (0, True), printed)

    def test_an_include_from_a_higher_floor_is_named_with_line_and_rule(self):
        lines = (self.root / "src/core/error.h").read_text().count("\n")
        self.add("src/core/error.h", '#include "comm/coordinator.h"\n')
        self.assert_fault(f'src/core/error.h:{lines + 1}: #include "comm/coordinator.h": ', "'core' is below 'comm'")

    def test_an_include_from_a_neighbour_is_a_fault(self):
        self.add("src/comm/progress.h", '#  include "compute/backend.h"\n')
        self.assert_fault("src/comm/progress.h:", "'comm' is beside 'compute'")

    def test_floors_inside_a_folder_count(self):
        self.add("src/data/files/data_file.h", '#include "data/cache/token_cache.h"\n')
        self.add("src/compute/cuda/device/device.h", "#include <compute/cuda/cuda_backend.h>\n")
        self.assert_fault("'files' is below 'cache' inside data/", "'device' is below '.' inside compute/cuda/")

    def test_kernels_know_nothing_of_compute(self):
        self.add("kernels/rope.cu", '#include "compute/backend.h"\n')
        self.assert_fault("kernels/rope.cu:", "'kernels' is below 'compute'")

    def test_no_way_around_by_a_relative_path(self):
        self.add("src/core/error.h", '#include "../comm/coordinator.h"\n')
        self.assert_fault("src/core/error.h:", "there is no such file")

    def test_a_folder_without_a_floor_is_a_fault(self):
        for folder in ("src/lora", "src/data/images"):
            (self.root / folder).mkdir()
            (self.root / folder / "new.h").write_text("#pragma once\n")
        self.assert_fault("'lora' has no floor under []", "'images' has no floor under [data]")
        self.replace(LAYERS, "json\n", "\n")
        self.assert_fault("'json' has no floor under [data]")

    def test_a_floor_without_a_folder_is_a_fault(self):
        shutil.rmtree(self.root / "src/plan")
        self.assert_fault("'plan' under [] is no folder with code")

    def test_a_cycle_cannot_be_written_down(self):
        self.replace(LAYERS, "\ncore\n", "\ncore\napp\n")
        self.assert_fault(f"{LAYERS}:", "'app' is there twice")

    def test_a_section_cannot_be_there_twice(self):
        self.add(LAYERS, "\n[data]\ntext\n")
        self.assert_fault("[data] is there twice")

    def test_a_crowded_folder_is_a_fault(self):
        for number in range(50):
            (self.root / f"src/plan/plan_{number}.cpp").touch()
        self.assert_fault("src/plan/: ", "source files, more than 45")

    def test_an_old_picture_is_a_fault_until_it_is_drawn(self):
        self.replace(LAYERS, "bench preflight\n", "bench\npreflight\n")
        self.assert_fault("docs/images/layers.svg: the picture")
        self.assertEqual(self.check("--write")[0], 0)
        self.assertEqual(self.check()[0], 0)


if __name__ == "__main__":
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    unittest.main()
