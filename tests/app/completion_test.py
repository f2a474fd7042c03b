"""Completion in bash, of the script that the program prints; and that --help, the description of flags and
what the program accepts are the same thing."""
import json
import os
import pty
import select
import shutil
import subprocess
import tempfile
import time
import unittest

import harness

COMMANDS = {
    "data": ["encode", "decode", "render", "check", "show", "diff-template", "stats", "prepare", "where"],
    "bench": ["kernels", "gemm", "attention", "collectives", "step", "tokenizer"],
}
LEAVES = [["train"], ["import"], ["export"], ["inspect"], ["init"],
          *([name, action] for name, actions in COMMANDS.items() for action in actions)]

DRIVER = r"""
source "$1"; shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_longhaul
printf '%s\n' "${COMPREPLY[@]}"
"""


class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="longhaul-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        made = harness.run("completion", "bash")
        assert made.returncode == 0, made.stderr
        cls.script = os.path.join(cls.folder, "completion.bash")
        with open(cls.script, "w", encoding="utf-8") as file:
            file.write(made.stdout)
        cls.files = os.path.join(cls.folder, "files")
        os.makedirs(os.path.join(cls.files, "model"))
        os.makedirs(os.path.join(cls.files, "more"))
        for name in ("rows.jsonl", "rows two.jsonl", "r*"):
            with open(os.path.join(cls.files, name), "w", encoding="utf-8"):
                pass

    def complete(self, *words):
        """What bash offers for the last word, among files/."""
        result = subprocess.run(["bash", "--norc", "-c", DRIVER, "bash", self.script, "longhaul", *words],
                                cwd=self.files, text=True, capture_output=True, check=True)
        self.assertEqual(result.stderr, "")
        return [line for line in result.stdout.splitlines() if line]

    def describe(self, command):
        result = harness.run(*command, "--describe_flags")
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    # ---- the script
    def test_is_registered(self):
        result = subprocess.run(["bash", "--norc", "-c", f"source {self.script}; complete -p longhaul"],
                                text=True, capture_output=True, check=True)
        self.assertEqual(result.stdout.split(), ["complete", "-F", "_longhaul", "longhaul"])

    def test_commands(self):
        offered = self.complete("")
        for name in ("train", "import", "export", "inspect", "data", "init", "bench", "completion", "--help",
                     "--version"):
            self.assertIn(name, offered)
        self.assertEqual(self.complete("tr"), ["train"])
        for name, actions in COMMANDS.items():
            self.assertEqual(self.complete(name, ""), [*actions, "--help"])
        self.assertEqual(self.complete("data", "d"), ["decode", "diff-template"])
        self.assertEqual(self.complete("completion", "b"), ["bash"])
        self.assertEqual(self.complete("no-such-command", ""), [])

    def test_every_flag_of_every_command(self):
        for command in LEAVES:
            described = [f"--{flag['name']}" for flag in self.describe(command)["flags"]]
            self.assertEqual(self.complete(*command, "--"), described, command)
            text = harness.run(*command, "--help").stdout
            for flag in described:
                self.assertRegex(text, rf"(?m)^  {flag}\b", command)

    def test_flags_that_are_given_are_not_offered_again(self):
        self.assertEqual(self.complete("train", "--lr", "1", "--lr"),
                         ["--lr_decay_style", "--lr_warmup_fraction", "--lr_warmup_iters"])

    def test_values(self):
        self.assertEqual(self.complete("train", "--backend", ""), ["auto", "cpu", "cuda"])
        self.assertEqual(self.complete("train", "--backend", "c"), ["cpu", "cuda"])
        self.assertEqual(self.complete("train", "--backend", "=", "cu"), ["cuda"])
        self.assertEqual(self.complete("train", "--backend", "="), ["auto", "cpu", "cuda"])
        self.assertEqual(self.complete("train", "--preflight", ""), ["full", "quick", "off"])
        self.assertEqual(self.complete("train", "--deterministic", "t"), ["true"])
        self.assertEqual(self.complete("train", "--lr", ""), [])
        self.assertEqual(self.complete("train", "--chat_template", "qwen2"), ["qwen2.5", "qwen2.5-base"])
        self.assertEqual(self.complete("export", "--dtype", "f"), ["float16", "float32"])
        self.assertEqual(self.complete("train", "--resume", ""),
                         ["auto", "none", *sorted(os.listdir(self.files), key=self.complete(
                             "data", "check", "").index)])

    def test_files_and_folders(self):
        self.assertEqual(sorted(self.complete("train", "--model", "")), ["model", "more"])
        self.assertEqual(sorted(self.complete("train", "--dataset", "rows")), ["rows two.jsonl", "rows.jsonl"])
        self.assertEqual(self.complete("train", "--dataset", "rows.jsonl", "r*"), ["r*"])
        self.assertEqual(self.complete("train", "--dataset", "rows.jsonl", "--val_d"), ["--val_dataset"])
        self.assertIn("rows.jsonl", self.complete("data", "check", ""))
        self.assertEqual(sorted(self.complete("inspect", "mo")), ["model", "more"])
        self.assertEqual(self.complete("data", "show", "--all", "rows.j"), ["rows.jsonl"])
        self.assertEqual(self.complete("data", "encode", "--model", os.path.join(self.folder, "fi")),
                         [os.path.join(self.folder, "files")])

    def test_with_the_tab_key(self):
        """A shell on a terminal; what it puts on the line is run as a command."""
        program = os.path.dirname(harness.LONGHAUL)
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.files)
            os.environ.update(PATH=f"{program}:{os.environ['PATH']}", PS1="> ", TERM="dumb", INPUTRC="/dev/null")
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.close, terminal)

        def type_in(text):
            os.write(terminal, text.encode())

        def read_until(words):
            seen = ""
            deadline = time.monotonic() + harness.TIMEOUT
            while words not in seen and time.monotonic() < deadline:
                if select.select([terminal], [], [], 0.2)[0]:
                    seen += os.read(terminal, 4096).decode(errors="replace")
            self.assertIn(words, seen)

        type_in("source <(longhaul completion bash); longhaul() { printf '<%s>' \"$@\"; echo done; }\n")
        type_in("echo read''y\n")
        read_until("ready")
        type_in("longhaul tr\t--mod\tmod\t --data\trows.\t\n")
        read_until("<train><--model><model/><--dataset><rows.jsonl>done")
        type_in("exit\n")

    # ---- the descriptions
    def test_choices_are_accepted(self):
        folder = os.path.join(self.folder, "inputs")
        os.makedirs(folder)
        flags = self.describe(["train"])["flags"]
        chosen = {flag["name"]: flag["choices"] for flag in flags if flag["choices"]}
        self.assertGreaterEqual(len(chosen), 12)
        for name, choices in chosen.items():
            for choice in choices:
                # Values are checked before files are looked for.
                needed = ["--template_mode", "swift-3.7"] if name == "strict_parity" else []
                result = harness.run("train", "--model", folder, "--save", os.path.join(folder, "save"),
                                     "--dataset", os.path.join(folder, "none.jsonl"), f"--{name}", choice, *needed)
                self.assertEqual(result.returncode, 2, (name, choice))
                wrong = [line for line in result.stderr.splitlines() if f"--{name} {choice}:" in line]
                if (name, choice) != ("backend", "cuda"):
                    self.assertEqual(wrong, [], (name, choice))

    def test_mistakes(self):
        for arguments in ([], ["fish"], ["bash", "more"]):
            result = harness.run("completion", *arguments)
            self.assertEqual(result.returncode, 2)
            self.assertIn("longhaul completion bash", result.stderr)
        self.assertIn("source <(longhaul completion bash)", harness.run("completion", "--help").stdout)

    # ---- --help
    def test_help_of_train_is_complete(self):
        text = harness.run("train", "--help").stdout
        for heading in ("Model and data", "Layout and memory", "Optimizer", "Checks before the run",
                        "Checkpoints and logs", "General", "Files", "Environment", "Exit codes", "Examples"):
            self.assertIn(f"\n{heading}:\n", text)
        self.assertIn("(default: 64000)", text)
        for code in ("0 ", "1 ", "2 ", "75 "):
            self.assertRegex(text, rf"(?m)^  {code}")

    def test_help_fits_a_hundred_columns(self):
        for command in LEAVES:
            result = harness.run(*command, "--help")
            self.assertEqual(result.returncode, 0, command)
            self.assertTrue(result.stdout.startswith(f"Usage: longhaul {' '.join(command)}"), command)
            for line in result.stdout.splitlines()[1:]:
                self.assertLessEqual(len(line), 100, (command, line))
                self.assertEqual(line, line.rstrip(), command)


if __name__ == "__main__":
    unittest.main(verbosity=2)
