"""What training checks before it starts: ranks run as hosts of their own, with their own mounts and
names (own_host.sh), so that what is missing, full or different there really is."""
import os
import re
import shutil
import subprocess
import unittest

import harness

WRAPPER = os.path.join(harness.ROOT, "tests/app/own_host.sh")
# Ranks with a /dev/shm of their own cannot exchange data through it.
WITHOUT_SHARED_MEMORY = {"OMPI_MCA_btl": "self,tcp", "OMPI_MCA_btl_tcp_if_include": "lo"}
CHECKS = ["hosts", "program", "flags", "clocks", "GPUs", "shared memory", "data files", "save directory",
          "model and layout", "model files", "model", "disk", "memory", "all-reduce"]


def own_hosts_problem():
    """Why ranks cannot have namespaces here; empty: they can."""
    tried = subprocess.run(["unshare", "--mount", "--uts", "--propagation", "private", "sh", "-c",
                            "hostname other && mount -t tmpfs tmpfs /mnt"],
                           capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"no mount and UTS namespaces: {tried.stderr.strip()}"


PROBLEM = own_hosts_problem()


def parse_table(text):
    """The rows of a table of findings, as dictionaries of unwrapped cells."""
    lines = text.splitlines()
    head = next(i for i, line in enumerate(lines) if re.match(r"\s+host\s+ranks\s+what\s+remedy", line))
    starts = [1] + [lines[head].index(name) for name in ("host", "ranks", "what", "remedy")]
    rows = []
    for line in lines[head + 2:]:
        if not line.startswith(" ") or not line.strip():
            break
        ends = starts[1:] + [len(line)]
        cells = [line[begin:end].strip() for begin, end in zip(starts, ends, strict=True)]
        names = ("kind", "host", "ranks", "what", "remedy")
        if cells[0]:
            rows.append(dict(zip(names, cells, strict=True)))
        else:
            for name, cell in zip(names, cells, strict=True):
                rows[-1][name] = f"{rows[-1][name]} {cell}".strip()
    return rows


class PreflightCase(harness.ProgramTest):
    def setUp(self):
        self.hosts = self.path(f"hosts-{self._testMethodName}")
        os.mkdir(self.hosts)
        self.save = self.path(f"save-{self._testMethodName}")

    def on_rank(self, rank, *commands):
        """What rank `rank` does in its namespaces before it starts."""
        with open(os.path.join(self.hosts, str(rank)), "a", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in commands))

    def start(self, ranks, variables=None, **changes):
        changes.setdefault("save", self.save)
        changes.setdefault("preflight_only", "true")
        save = changes.pop("save")
        line = ["mpirun", "-n", str(ranks), WRAPPER, harness.LONGHAUL, "train",
                *self.train_flags(save, **changes)]
        environment = {**harness.ENVIRONMENT, "LONGHAUL_HOSTS": self.hosts, **(variables or {})}
        return subprocess.run(line, env=environment, text=True, capture_output=True, check=False,
                              timeout=harness.TIMEOUT)

    def refused(self, ranks=2, **options):
        """The rows of the table with which a run is refused."""
        result = self.start(ranks, **options)
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        self.assert_refused(result, "pre-flight found")
        return parse_table(result.stderr)

    def only_row(self, ranks=2, **options):
        rows = self.refused(ranks, **options)
        self.assertEqual(len(rows), 1, rows)
        return rows[0]

    def assert_row(self, row, kind="failed", host="node1", ranks="1", what=(), remedy=()):
        self.assertEqual((row["kind"], row["host"], row["ranks"]), (kind, host, ranks), row)
        for word in what:
            self.assertIn(word, row["what"])
        for word in remedy:
            self.assertIn(word, row["remedy"])


@unittest.skipIf(PROBLEM, PROBLEM)
class Preflight(PreflightCase):
    # ---- all is well
    def test_passes_and_leaves_nothing(self):
        result = self.start(3, save=os.path.join(self.save, "below"))
        self.assertEqual(result.returncode, 0, result.stderr)
        for check in CHECKS:
            self.assertRegex(result.stdout, rf"(?m)^{check} +ok +\d+\.\d\d s  ")
        self.assertIn("3 ranks on 3 hosts", result.stdout)
        self.assertRegex(result.stdout, r"node2: rank 2; \w+ \d+\.\d+")
        self.assertRegex(result.stdout, r"GB/s")
        self.assertFalse(os.path.exists(self.save))

    def test_quick_leaves_the_bandwidth_out(self):
        result = self.start(2, preflight="quick")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("all-reduce", result.stdout)
        self.assertIn("save directory", result.stdout)

    def test_a_run_says_one_line_and_goes_on(self):
        result = self.start(2, preflight_only="false", context_parallel_size=2)
        self.assert_trained(result)
        lines = [line for line in result.stderr.splitlines() if "pre-flight" in line]
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertIn(f"{len(CHECKS)} checks passed", lines[0])
        self.assertEqual([n for n in os.listdir(self.save) if "preflight" in n], [])

    def test_a_save_directory_with_files_is_left_as_it_is(self):
        os.mkdir(self.save)
        with open(os.path.join(self.save, "notes"), "w", encoding="utf-8") as file:
            file.write("mine")
        self.assertEqual(self.start(2).returncode, 0)
        self.assertEqual(os.listdir(self.save), ["notes"])

    def test_off(self):
        self.assertEqual(self.start(2, preflight="off", preflight_only=None).returncode, 0)
        result = self.start(2, preflight="off")
        self.assert_refused(result, "--preflight_only", "--preflight off")
        result = self.start(2, preflight="some")
        self.assert_refused(result, "--preflight some", "full, quick or off")

    # ---- files
    def test_data_that_exist_on_the_first_host_only(self):
        folder = self.path("local-data")
        os.makedirs(folder, exist_ok=True)
        rows = shutil.copy(self.rows, os.path.join(folder, "rows.jsonl"))
        self.on_rank(1, f"mount -t tmpfs tmpfs {folder}")
        self.assert_row(self.only_row(dataset=rows), what=[rows, "cannot be found"], remedy=["node0"])
        self.assertFalse(os.path.exists(self.save))

    def test_data_that_differ(self):
        other = self.path("other-rows.jsonl")
        with open(self.rows, encoding="utf-8") as source, open(other, "w", encoding="utf-8") as target:
            target.write(source.read().swapcase())
        self.on_rank(2, f"mount --bind {other} {self.rows}")
        self.assert_row(self.only_row(ranks=3), host="node2", ranks="2",
                        what=[self.rows, "differs in content"], remedy=["copy it again"])

    def test_a_copy_with_another_time_is_a_warning(self):
        other = shutil.copy(self.rows, self.path("copied-rows.jsonl"))
        os.utime(other, (1, 1))
        self.on_rank(1, f"mount --bind {other} {self.rows}")
        result = self.start(2)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assert_row(parse_table(result.stdout)[0], kind="warning", what=["another time"])

    def test_model_that_is_missing_on_hosts(self):
        for rank in (1, 2):
            self.on_rank(rank, "hostname nodeb", f"mount -t tmpfs tmpfs {self.model}")
        row = self.only_row(ranks=4)
        self.assert_row(row, host="nodeb", ranks="1-2", what=["config.json", self.model],
                        remedy=["node0"])

    def test_weights_that_are_missing_on_a_host(self):
        empty = self.path("empty.safetensors")
        with open(empty, "w", encoding="utf-8"):
            pass
        self.on_rank(1, f"mount --bind {empty} {self.model}/model.safetensors")
        self.assert_row(self.only_row(), what=["model.safetensors", "0 bytes here"])

    def test_another_model_configuration(self):
        changed = self.path("changed-config.json")
        with open(os.path.join(self.model, "config.json"), encoding="utf-8") as file:
            text = file.read()
        with open(changed, "w", encoding="utf-8") as file:
            file.write(text.replace("1000000.0", "5000000.0"))
        self.on_rank(1, f"mount --bind {changed} {self.model}/config.json")
        rows = self.refused()
        self.assertTrue(any("rope_theta" in row["what"] and row["host"] == "node1" for row in rows), rows)

    # ---- save directory
    def test_save_directory_that_is_not_shared(self):
        parent = self.path("parent")
        os.makedirs(parent, exist_ok=True)
        self.on_rank(1, f"mount -t tmpfs tmpfs {parent}")
        row = self.only_row(save=os.path.join(parent, "run"))
        self.assert_row(row, what=["--save", "node0", "not shared", "tmpfs"], remedy=["share"])
        # The same with a folder that exists on both.
        self.on_rank(1, f"mkdir {parent}/run")
        row = self.only_row(save=os.path.join(parent, "run"))
        self.assert_row(row, what=["another directory", "not shared", "tmpfs"], remedy=["share"])
        self.assertEqual(os.listdir(parent), [])

    def test_save_directory_that_cannot_be_written_on_a_host(self):
        os.mkdir(self.save)
        self.on_rank(1, f"mount --bind {self.save} {self.save}",
                     f"mount -o remount,ro,bind {self.save}")
        self.assert_row(self.only_row(), what=["--save", "Read-only file system"], remedy=["writable"])
        self.assertEqual(os.listdir(self.save), [])

    def test_token_cache_that_is_not_shared(self):
        cache = self.path("cache-parent")
        os.makedirs(cache, exist_ok=True)
        self.on_rank(1, f"mount -t tmpfs tmpfs {cache}")
        row = self.only_row(token_cache_dir=os.path.join(cache, "tokens"))
        self.assert_row(row, what=["--token_cache_dir", "not shared"], remedy=["share"])
        self.assertEqual(os.listdir(cache), [])

    def test_a_checkpoint_to_resume_that_is_on_the_first_host_only(self):
        first = self.path("resume-from")
        self.assert_trained(self.train(first, train_iters=3))
        self.on_rank(1, f"mount -t tmpfs tmpfs {first}")
        rows = self.refused(resume=os.path.join(first, "step_00000003"))
        self.assertEqual({(row["host"], row["ranks"]) for row in rows}, {("node1", "1")}, rows)
        self.assertTrue(any("index.h5" in row["what"] and "node0" in row["remedy"] for row in rows), rows)
        result = self.start(2, resume=self.path("nowhere"), preflight_only=None)
        self.assert_refused(result, "--resume", "nowhere")

    def test_too_little_disk(self):
        os.mkdir(self.save)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", self.save],
                                 capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            self.skipTest(f"cannot mount a small file system: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", self.save], check=True)
        # A checkpoint of this model takes about 4 MiB; two are to come.
        row = self.only_row()
        self.assert_row(row, host="node0 node1", ranks="0-1", what=[self.save, "room for 1", "2 more"],
                        remedy=["free space"])
        self.assertEqual(self.start(2, train_iters=3).returncode, 0)
        with open(os.path.join(self.save, "fill"), "wb") as file:
            file.write(bytes(4 << 20))
        row = self.only_row(train_iters=None, epochs=1, save_total_limit=1)
        self.assert_row(row, host="node0 node1", ranks="0-1", what=["free"], remedy=["--save"])

    # ---- hosts
    def test_full_shared_memory(self):
        self.on_rank(1, "mount -t tmpfs -o size=4m tmpfs /dev/shm",
                     "head -c 4194304 /dev/zero > /dev/shm/left-behind")
        row = self.only_row(variables=WITHOUT_SHARED_MEMORY)
        self.assert_row(row, what=["/dev/shm", "0 B of 4.00 MiB free"], remedy=["remount,size"])

    def test_another_version(self):
        program = os.environ.get("LONGHAUL_OTHER_VERSION", "")
        if not os.path.exists(program):
            self.skipTest("LONGHAUL_OTHER_VERSION names no program: CTest sets it")
        version = harness.run("--version").stdout.split()[1]
        self.on_rank(1, f"command[0]={program}")
        self.assert_row(self.only_row(ranks=3), what=[program, "longhaul 9.9.9", version, "rank 0 on node0"],
                        remedy=["same build"])

    def test_another_build(self):
        notes = subprocess.run(["readelf", "-n", harness.LONGHAUL], capture_output=True, text=True,
                               check=True).stdout
        build = bytes.fromhex(re.search(r"Build ID: ([0-9a-f]+)", notes).group(1))
        program = self.path("other-build")
        with open(harness.LONGHAUL, "rb") as source, open(program, "wb") as target:
            target.write(source.read().replace(build, bytes(reversed(build))))
        os.chmod(program, 0o755)
        self.on_rank(0, f"command[0]={program}")
        # Rank 0 is alone with it: the others are what is usual.
        self.assert_row(self.only_row(ranks=3), host="node0", ranks="0",
                        what=[program, build.hex()[:12]], remedy=["same build"])

    def test_other_flags(self):
        self.on_rank(1, "command+=(--weight_decay 0.5 --preflight quick --threads 1)")
        row = self.only_row()
        self.assert_row(row, what=["--weight_decay is 0.5 here and 0.1 on rank 0", "--preflight is quick"],
                        remedy=["same flags"])
        self.assertNotIn("--threads", row["what"])

    def test_two_machines_of_one_name(self):
        boot_id = self.path("boot_id")
        with open(boot_id, "w", encoding="utf-8") as file:
            file.write("11111111-2222-3333-4444-555555555555\n")
        for rank in (0, 1):
            self.on_rank(rank, "hostname twin")
        self.on_rank(1, f"mount --bind {boot_id} /proc/sys/kernel/random/boot_id")
        result = self.start(2)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assert_row(parse_table(result.stdout)[0], kind="warning", host="twin", ranks="0-1",
                        what=["2 machines", "twin"], remedy=["name of its own"])

    def test_full_shared_memory_of_all_ranks_of_a_host(self):
        """Open MPI as it is by default: it warns, does without, and training tells the rest."""
        line = ["mpirun", "-n", "2", harness.LONGHAUL, "train", "--preflight_only", *self.train_flags(self.save)]
        fill = ("mount -t tmpfs -o size=4m tmpfs /dev/shm && head -c 4194304 /dev/zero > /dev/shm/left-behind && "
                'exec "$@"')
        result = subprocess.run(["unshare", "--mount", "--propagation", "private", "bash", "-c", fill, "bash", *line],
                                env=harness.ENVIRONMENT, text=True, capture_output=True, check=False,
                                timeout=harness.TIMEOUT)
        self.assertEqual(result.returncode, 2, result.stderr)
        row, = parse_table(result.stderr)
        self.assertEqual(row["ranks"], "0-1")
        self.assertIn("/dev/shm: 0 B of 4.00 MiB free; 2 ranks", row["what"])

    # ---- clocks, GPUs
    def test_clocks(self):
        shift = os.environ.get("LONGHAUL_SHIFTED_CLOCK", "")
        if not os.path.exists(shift):
            self.skipTest("LONGHAUL_SHIFTED_CLOCK names no library: CTest sets it")
        def preload(seconds):
            return f"export LD_PRELOAD={shift} SHIFTED_CLOCK_SECONDS={seconds}"
        self.on_rank(1, preload(-5.5))
        result = self.start(3)
        self.assertEqual(result.returncode, 0, result.stderr)
        row = parse_table(result.stdout)[0]
        self.assert_row(row, kind="warning", what=["5.5", "behind", "node0"], remedy=["NTP"])
        self.on_rank(2, preload(300))
        rows = self.refused(ranks=3)
        self.assert_row(rows[0], host="node2", ranks="2", what=["5 min", "ahead", "node0"], remedy=["NTP"])
        self.assert_row(rows[1], kind="warning", what=["behind"])

    def test_different_gpus(self):
        library = os.environ.get("LONGHAUL_FAKE_NVML", "")
        if not os.path.exists(library):
            self.skipTest("LONGHAUL_FAKE_NVML names no library: CTest sets it")
        folder = self.path("nvml")
        os.makedirs(folder, exist_ok=True)
        shutil.copy(library, os.path.join(folder, "libnvidia-ml.so.1"))
        gpus = "NVIDIA H100 80GB HBM3"
        for rank, count in enumerate((8, 8, 4)):
            self.on_rank(rank, f"export LD_LIBRARY_PATH={folder}:${{LD_LIBRARY_PATH-}}",
                         f"export FAKE_NVML_GPUS='{count} {gpus}'")
        rows = self.refused(ranks=3, backend="auto")
        row = next(row for row in rows if row["kind"] == "failed")
        self.assert_row(row, host="node2", ranks="2", what=[f"4 x {gpus}", f"8 x {gpus}", "node0"],
                        remedy=["equal GPUs"])
        # As many as all have; or none at all.
        for rank in (0, 1):
            self.on_rank(rank, "export CUDA_VISIBLE_DEVICES=0,1,2,3")
        self.assertEqual(self.start(3, backend="auto").returncode, 0)
        self.on_rank(1, "export CUDA_VISIBLE_DEVICES=")
        self.assertEqual(self.start(3, backend="cpu").returncode, 0)
        row = next(row for row in self.refused(ranks=3, backend="auto") if row["kind"] == "failed")
        self.assert_row(row, what=["no GPU"], remedy=["CUDA_VISIBLE_DEVICES"])

    # ---- the table
    def test_everything_wrong_is_in_one_table(self):
        folder = self.path("gone")
        os.makedirs(folder, exist_ok=True)
        rows = shutil.copy(self.rows, os.path.join(folder, "rows.jsonl"))
        parent = self.path("apart")
        os.makedirs(parent, exist_ok=True)
        self.on_rank(1, f"mount -t tmpfs tmpfs {folder}", "command+=(--weight_decay 1)")
        self.on_rank(2, "hostname other", f"mount -t tmpfs tmpfs {parent}")
        self.on_rank(3, "hostname other", f"mount -t tmpfs tmpfs {parent}")
        table = self.refused(ranks=4, dataset=rows, save=os.path.join(parent, "run"),
                             preflight_only=None)
        self.assertEqual([(row["host"], row["ranks"]) for row in table],
                         [("node1", "1"), ("node1", "1"), ("other", "2-3")], table)
        self.assertIn("--weight_decay", table[0]["what"])
        self.assertIn(rows, table[1]["what"])
        self.assertIn("not shared", table[2]["what"])


class Alone(harness.ProgramTest):
    """What needs no namespaces."""

    def test_one_process(self):
        result = harness.run("train", "--preflight_only", *self.train_flags(self.path("alone")))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("1 rank on 1 host", result.stdout)
        self.assertFalse(os.path.exists(self.path("alone")))

    def test_what_all_ranks_have_is_one_row(self):
        result = self.train(self.path("none"), ranks=4, dataset=self.path("nowhere.jsonl"))
        self.assert_refused(result, "pre-flight found 1 problem;")
        rows = parse_table(result.stderr)
        self.assertEqual([row["ranks"] for row in rows], ["0-3"])
        self.assertIn("nowhere.jsonl", rows[0]["what"])

    def test_a_killed_start_leaves_nothing_for_long(self):
        save = self.path("left-over")
        os.mkdir(save)
        old = os.path.join(save, ".preflight-0123456789abcdef.00000")
        young = os.path.join(save, ".preflight-0123456789abcdee.00000")
        for name in (old, young):
            with open(name, "w", encoding="utf-8"):
                pass
        os.utime(old, (1, 1))
        result = harness.run("train", *self.train_flags(save, preflight_only="true"))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(os.listdir(save), [os.path.basename(young)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
