"""What the tests of the whole program share: models, data and running longhaul under mpirun.

Only Python's standard library. The program is found through LONGHAUL (set by CTest)."""
import gzip
import json
import os
import random
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LONGHAUL = os.environ.get("LONGHAUL", os.path.join(ROOT, "build/release/src/app/longhaul"))
# Seconds after which what a test waits for is taken for a hang. Much longer than anything takes on a busy
# machine: tests wait for events, and only one that fails takes as long.
TIMEOUT = 300

ENVIRONMENT = {
    **os.environ,
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "OMP_NUM_THREADS": "1",
    "NO_COLOR": "1",
}

VOCABULARY = 256 + 26  # bytes, and Qwen3's added tokens

TINY_CONFIG = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "attention_bias": False,
    "hidden_size": 64, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "vocab_size": VOCABULARY, "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": True, "hidden_act": "silu",
    "initializer_range": 0.02, "torch_dtype": "float32",
}


def write_byte_tokenizer(directory):
    """Qwen3's tokenizer without its merges: 256 byte tokens and the added tokens. A small vocabulary
    keeps tiny models tiny."""
    source = os.path.join(ROOT, "mpi_launch/quickstart/tokenizer")
    with gzip.open(os.path.join(source, "tokenizer.json.gz"), "rt", encoding="utf-8") as file:
        tokenizer = json.load(file)
    model = tokenizer["model"]
    model["vocab"] = {token: index for token, index in model["vocab"].items() if index < 256}
    model["merges"] = []
    for offset, added in enumerate(tokenizer["added_tokens"]):
        added["id"] = 256 + offset
    os.makedirs(directory)
    with open(os.path.join(directory, "tokenizer.json"), "w", encoding="utf-8") as file:
        json.dump(tokenizer, file, ensure_ascii=False)
    shutil.copy(os.path.join(source, "tokenizer_config.json"), directory)


def write_rows(path, count, seed=1):
    """Conversations of unequal lengths with something to learn."""
    generator = random.Random(seed)
    words = "red green blue one two three north south apple pear".split()
    with open(path, "w", encoding="utf-8") as file:
        for index in range(count):
            messages = []
            for _ in range(generator.randint(1, 3)):
                question = " ".join(generator.choices(words, k=generator.randint(1, 8)))
                messages.append({"role": "user", "content": question})
                messages.append({"role": "assistant", "content": question.upper()})
            file.write(json.dumps({"id": f"row-{index}", "messages": messages}) + "\n")


def command(*arguments, ranks=None):
    line = [LONGHAUL, *map(str, arguments)]
    return line if ranks is None else ["mpirun", "-n", str(ranks), *line]


def environment(*arguments, ranks=None):
    """The environment of command(). In a build with sanitizers tests/run.sh has mpirun tell the ranks
    not to look for leaks, which Open MPI's plug-ins leave behind; a rank started without mpirun is
    told here."""
    found = dict(ENVIRONMENT)
    with_mpi = arguments[0] in ("bench", "train") or arguments[:2] == ("data", "prepare")
    if "ASAN_OPTIONS" in found and ranks is None and with_mpi:
        found["ASAN_OPTIONS"] += ":detect_leaks=0"
    return found


def run(*arguments, ranks=None, **options):
    """Runs longhaul to its end; stdout, stderr and returncode of the result."""
    return subprocess.run(command(*arguments, ranks=ranks), env=environment(*arguments, ranks=ranks),
                          text=True, capture_output=True, timeout=options.pop("timeout", TIMEOUT), **options)


def read_log(save):
    with open(os.path.join(save, "train_log.jsonl"), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class ProgramTest(unittest.TestCase):
    """A test class with a temporary folder, one tiny Qwen3 model with a byte tokenizer, and rows."""

    config = TINY_CONFIG

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="longhaul-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        tokenizer = cls.path("tokenizer")
        write_byte_tokenizer(tokenizer)
        cls.rows = cls.path("rows.jsonl")
        write_rows(cls.rows, 60)
        with open(cls.path("config.json"), "w", encoding="utf-8") as file:
            json.dump(cls.config, file)
        cls.model = cls.path("model")
        made = run("init", "--config", cls.path("config.json"), "--tokenizer", tokenizer,
                   "--output", cls.model, "--seed", 1)
        assert made.returncode == 0, made.stderr

    @classmethod
    def path(cls, *parts):
        return os.path.join(cls.folder, *parts)

    def train_flags(self, save, **changes):
        """Flags of a short training run; changes by flag name, None leaves a flag out."""
        flags = {
            "model": self.model, "dataset": self.rows, "save": save, "backend": "cpu", "max_length": 1024,
            "micro_bs": 1, "global_bs": 4, "train_iters": 6, "lr": 2e-3,
            "save_interval": 3, "seed": 7, "tensor_model_parallel_size": 1, "context_parallel_size": 1,
        }
        flags.update(changes)
        return [part for name, value in flags.items() if value is not None
                for part in (f"--{name}", str(value))]

    def train(self, save, ranks=1, **changes):
        return run("train", *self.train_flags(save, **changes), ranks=ranks)

    def assert_trained(self, result):
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def assert_refused(self, result, *words):
        """One message with all the words, on a non-zero exit."""
        self.assertNotEqual(result.returncode, 0, result.stdout)
        lines = [line for line in result.stderr.splitlines() if "error:" in line]
        self.assertEqual(len(lines), 1, f"one rank speaks once:\n{result.stderr}")
        for word in words:
            self.assertIn(word, result.stderr)

    def close(self, actual, expected, tolerance):
        for a, b in zip(actual, expected, strict=True):
            self.assertLessEqual(abs(a - b), tolerance * abs(b), f"{a} instead of {b}")
