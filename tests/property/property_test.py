"""`longhaul data render` against a second implementation, over random conversations.

    property_test.py [--rows N] [--seed S] [--longhaul PROGRAM]   (or PROPERTY_ROWS, PROPERTY_SEED, LONGHAUL)

For each model the published chat template is run by Jinja2 as transformers runs it, and ids come from
Hugging Face tokenizers; rows are brought into one form by rows.py. Compared are the text, the ids and the
weights, and that both refuse the same rows. The dialects of ms-swift are compared with swift_reference.py. A difference is printed with the smallest row that has one.

Needs jinja2 and tokenizers (tests/requirements.txt)."""
import argparse
import gzip
import json
import math
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import conversations
import generator
import hf_reference
import rows
import shrink
import swift_reference


ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QWEN3 = os.path.join(ROOT, "mpi_launch/quickstart/tokenizer")
MODELS = {  # name: folders of tokenizer.json.gz and tokenizer_config.json
    "qwen2.5": (os.path.join(ROOT, "tests/data/tokenizer/qwen2.5"),) * 2,
    "qwen3": (QWEN3, QWEN3),
    "qwen3-first": (QWEN3, os.path.join(ROOT, "tests/data/tokenizer/qwen3-first")),
}
SHOWN = 3  # differences that are printed for each comparison


class SwiftDialect:
    """--template_mode swift-VERSION --strict_parity true."""

    def __init__(self, version, family, loss_scale):
        self.version, self.family, self.loss_scale = version, family, loss_scale
        self.mode = f"swift-{version}"
        self.flags = ("--template_mode", self.mode, "--loss_scale", loss_scale, "--strict_parity", "true")

    def pieces(self, row):
        for message in row.get("messages") or []:
            if isinstance(message, dict) and "function" in (message.get("role"), message.get("from")):
                raise swift_reference.RowDropped("a role that neither release knows")
        row = rows.normalise(row)
        if self.version == "3.7":  # does not know the key
            for message in row["messages"]:
                message.pop("loss", None)
        return swift_reference.render(row, self.version, self.family, self.loss_scale)


REFUSALS = (rows.RowError, hf_reference.TemplateError, swift_reference.RowDropped)


class Comparison:
    """One dialect of one model: the program's answers against the reference's."""

    def __init__(self, program, model, dialect, tokenizer):
        self.command = [program, "data", "render", "--model", model, *dialect.flags]
        self.dialect, self.tokenizer = dialect, tokenizer

    def expected(self, line):
        """What `render` should print for a line: {"text", "ids", "weights"} or {"error"}."""
        try:
            pieces = self.dialect.pieces(rows.parse_json(line))
        except REFUSALS as error:
            return {"error": str(error)}
        ids, weights = self.tokenizer.encode(pieces)
        weights = [struct.unpack("f", struct.pack("f", weight))[0] for weight in weights]
        return {"text": "".join(text for text, _ in pieces), "ids": ids, "weights": weights}

    def differs(self, line, found):
        """A word for the difference between `expected` and the program's line, None when there is none."""
        expected, found = self.expected(line), json.loads(found)
        if "error" in expected or "error" in found:
            return None if "error" in expected and "error" in found else "refusal"
        if expected["text"] != found["text"]:
            return "text"
        if expected["ids"] != found["ids"]:
            return "ids"
        weights = [struct.unpack("f", struct.pack("f", weight))[0] for weight in found["weights"]]
        return None if expected["weights"] == weights else "weights"

    def run(self, lines, folder):
        """[(line, the program's answer, what differs)] of the lines with a difference, and how many lines
        both refuse."""
        path = os.path.join(folder, "rows.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)
        result = subprocess.run([*self.command, "--input", path], text=True, capture_output=True,
                                encoding="utf-8")
        answers = result.stdout.split("\n")[:-1]
        if result.returncode != 0 or len(answers) != len(lines):
            raise SystemExit(f"{' '.join(self.command)}: exit code {result.returncode}, {len(answers)} answers "
                             f"to {len(lines)} rows\n{result.stderr}")
        differences = []
        for line, answer in zip(lines, answers):
            what = self.differs(line, answer)
            if what is not None:
                differences.append((line, answer, what))
        refused = sum(1 for answer in answers if '"error": ' in answer and "error" in json.loads(answer))
        return differences, refused

    def report(self, line, what):
        """Prints a small row with the same difference, and both answers to it."""
        with subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              encoding="utf-8") as process:
            def answer(candidate):
                process.stdin.write(candidate + "\n")
                process.stdin.flush()
                return process.stdout.readline()

            small = shrink.smallest(line, lambda candidate: self.differs(candidate, answer(candidate)) == what)
            expected = json.dumps(self.expected(small), ensure_ascii=False)
            print(f"\n{what} differs: {' '.join(self.command)}\n  row       {visible(small)}\n"
                  f"  expected  {visible(expected)}\n  found     {visible(answer(small).rstrip())}")
            process.stdin.close()


def visible(line):
    """The same JSON with what cannot be seen as escapes."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def unpack(folder):
    """Model directories as users have them."""
    for name, (tokenizer, config) in MODELS.items():
        os.makedirs(os.path.join(folder, name))
        with gzip.open(os.path.join(tokenizer, "tokenizer.json.gz"), "rb") as packed:
            with open(os.path.join(folder, name, "tokenizer.json"), "wb") as file:
                shutil.copyfileobj(packed, file)
        shutil.copy(os.path.join(config, "tokenizer_config.json"), os.path.join(folder, name))


def jobs(folder):
    """(label, share of all rows, model, dialect, makes a row)."""
    for name in MODELS:
        dialect = hf_reference.Dialect(os.path.join(folder, name, "tokenizer_config.json"))
        yield f"{name}, training rows", 0.2, name, dialect, conversations.training_row
        yield f"{name}, verbatim rows", 2 / 15, name, dialect, conversations.verbatim_row
    settings = [(version, family, loss_scale) for version in swift_reference.VERSIONS
                for family in swift_reference.FAMILIES for loss_scale in swift_reference.LOSS_SCALES[version]]
    for version, family, loss_scale in settings:
        dialect = SwiftDialect(version, family, loss_scale)
        label = f"{family}, swift-{version}, {loss_scale}"
        yield label, 0.5 / len(settings), family, dialect, conversations.swift_row


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=int(os.environ.get("PROPERTY_ROWS", 5100)),
                        help="of the published templates; half as many of the other dialects")
    parser.add_argument("--seed", type=int, default=os.environ.get("PROPERTY_SEED"),
                        help="default: 1; 0 takes one at random")
    parser.add_argument("--longhaul", default=os.environ.get("LONGHAUL"), help="the program")
    options = parser.parse_args()
    if not options.longhaul:
        parser.error("--longhaul PROGRAM, or LONGHAUL, is needed")
    seed = 1 if options.seed is None else int(options.seed) or random.SystemRandom().randrange(1, 10 ** 9)
    print(f"seed {seed} (PROPERTY_SEED), {options.rows} rows (PROPERTY_ROWS)", flush=True)
    failures, compared, tokenizers = 0, 0, {}
    with tempfile.TemporaryDirectory(prefix="longhaul-property-") as folder:
        unpack(folder)
        for label, share, model, dialect, make_row in jobs(folder):
            path = os.path.join(folder, model)
            if model not in tokenizers:
                tokenizers[model] = hf_reference.Tokenizer(os.path.join(path, "tokenizer.json"))
            comparison = Comparison(options.longhaul, path, dialect, tokenizers[model])
            began = time.monotonic()
            random_rows = generator.Generator(f"{seed} {label}")
            lines = [make_row(random_rows) for _ in range(math.ceil(share * options.rows - 1e-6))]
            differences, refused = comparison.run(lines, folder)
            print(f"{label}: {len(lines)} rows, {refused} refused by both, {len(differences)} differ "
                  f"({time.monotonic() - began:.1f} s)", flush=True)
            for line, _, what in differences[:SHOWN]:
                comparison.report(line, what)
            failures += len(differences)
            compared += len(lines)
    print(f"{compared} rows compared, {failures} differ")
    return 1 if failures or compared < options.rows else 0


if __name__ == "__main__":
    sys.exit(main())
