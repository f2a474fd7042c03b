#!/usr/bin/env python3
"""Tokenization on one core: longhaul against Hugging Face tokenizers, on the same rendered rows, in turns in
one run; then how many rows a second `longhaul data prepare` does with 1 and 2 processes, and how long a
second start takes.

The peer is called in each way it offers (encode for each text, encode_batch, encode_batch_fast), with one
thread, and its fastest counts. Times are CPU time, so that other work on the machine matters little
(prepare: wall time). Both keep a cache of words: "cold" is the first pass of a fresh one, "warm"
the best of the later passes. Ids are checked to be equal before anything is timed. A ratio is best
against best.

Usage: tokenize_vs_hf.py PATH/TO/longhaul --model DIR [--rows FOLDER|FILE] [--rounds 3] [--prepare_rows 100000]
Needs a Python with tokenizers (tests/requirements.txt)."""
import argparse
import glob
import json
import os
import random
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
import tokenizers  # noqa: E402  (reads the environment)

MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
       "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none",
       "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(*command, **options):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, encoding="utf-8",
                            env={**os.environ, **MPI}, **options)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit code {result.returncode}\n{result.stderr}")
    return result.stdout


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return f"{names[0] if names else 'unknown processor'}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def fnv1a64(ids):
    value = 0xCBF29CE484222325
    for token in ids:
        for byte in token.to_bytes(4, "little"):
            value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


class Peer:
    """Hugging Face tokenizers on one thread."""

    def __init__(self, model):
        self.path = os.path.join(model, "tokenizer.json")
        self.fresh()

    def fresh(self):
        self.tokenizer = tokenizers.Tokenizer.from_file(self.path)

    def ways(self):
        one = self.tokenizer
        yield "encode", lambda texts: [one.encode(text, add_special_tokens=False) for text in texts]
        for name in ("encode_batch", "encode_batch_fast"):
            if hasattr(one, name):
                yield name, lambda texts, f=getattr(one, name): f(texts, add_special_tokens=False)

    def ids(self, texts):
        return [token for text in texts for token in self.tokenizer.encode(text, add_special_tokens=False).ids]

    def seconds(self, texts):
        """{way: (cold, best warm)} of one round."""
        found = {}
        for name in [name for name, _ in self.ways()]:
            self.fresh()
            times = []
            for _ in range(3):
                encode = dict(self.ways())[name]
                begin = time.process_time()
                result = encode(texts)
                times.append(time.process_time() - begin)
                del result
            found[name] = (times[0], min(times[1:]))
        return found


def compare(program, model, rows, rounds, folder):
    """Prints both; the smaller of the ratios."""
    texts = [row["text"] for row in map(json.loads, run(program, "data", "render", "--model", model, "--input",
                                                        rows).split("\n")[:-1]) if "text" in row]
    megabytes = sum(len(text.encode()) for text in texts) * 1e-6
    peer = Peer(model)
    ids = peer.ids(texts)
    ours, theirs = [], []
    for index in range(rounds):
        file = os.path.join(folder, f"bench-{index}.json")
        run(program, "bench", "tokenizer", "--model", model, "--input", rows, "--json", file)
        with open(file, encoding="utf-8") as stream:
            report = json.load(stream)
        if index == 0:
            results = report["results"]
            if results["tokens"] != len(ids) or results["ids_fnv1a64"] != fnv1a64(ids):
                sys.exit(f"the ids differ: {results}; the peer has {len(ids)} tokens, {fnv1a64(ids)}")
            print(f"{len(texts)} rows, {megabytes:.2f} MB of text, {len(ids)} tokens, ids equal", flush=True)
        ours.append({row["work"]: row["best_seconds"] for row in report["rows"]})
        print(f"round {index + 1}: longhaul {ours[-1]}", flush=True)
        theirs.append(peer.seconds(texts))
        print(f"round {index + 1}: tokenizers {theirs[-1]} (cold, warm)", flush=True)

    def show(name, seconds):
        print(f"  {name:42} {megabytes / seconds:8.1f} MB/s {len(ids) / seconds / 1e6:8.2f} M tokens/s", flush=True)

    best = {work: min(found[work] for found in ours) for work in ours[0]}
    for work, seconds in best.items():
        show(f"longhaul, {work}", seconds)
    peer_best = {}
    for kind, index in (("cold", 0), ("warm", 1)):
        for way in theirs[0]:
            seconds = min(found[way][index] for found in theirs)
            show(f"tokenizers {tokenizers.__version__}, {way}, {kind}", seconds)
            peer_best[kind] = min(seconds, peer_best.get(kind, seconds))
    ratios = {kind: peer_best[kind] / best[f"tokenize, {kind} word cache"] for kind in ("cold", "warm")}
    print(f"ratio {ratios['warm']:.2f} warm, {ratios['cold']:.2f} cold (needed: 5)")
    return min(ratios.values())


def write_rows(path, count):
    """Conversations with a tool, about 1 kB each."""
    generator = random.Random(1)
    words = [line.split()[0] for line in open(os.path.join(ROOT, "docs/design.md"), encoding="utf-8") if line.split()]
    tool = {"type": "function", "function": {"name": "search", "description": "Finds pages", "parameters": {
        "type": "object", "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}}}}}

    def text(most):
        return " ".join(generator.choices(words, k=generator.randint(3, most)))

    with open(path, "w", encoding="utf-8") as file:
        for index in range(count):
            arguments = {"query": text(6), "limit": generator.randint(1, 50)}
            messages = [{"role": "user", "content": text(30)},
                        {"role": "assistant", "content": "", "tool_calls": [
                            {"type": "function", "function": {"name": "search", "arguments": arguments}}]},
                        {"role": "tool", "content": text(60)}, {"role": "assistant", "content": text(60)}]
            file.write(json.dumps({"id": f"row-{index}", "tools": [tool], "messages": messages}) + "\n")


def prepare(program, model, rows, processes, save):
    """Seconds of one `data prepare`."""
    begin = time.perf_counter()
    run("mpirun", "-n", processes, program, "data", "prepare", "--model", model, "--dataset", rows, "--save", save,
        "--max_length", 65536)
    return time.perf_counter() - begin


def time_prepare(program, model, rows, name, folder):
    with open(rows, "rb") as file:
        count = sum(1 for _ in file)
    for processes in (1, 2):
        save = os.path.join(folder, f"save-{name}-{processes}")
        first = prepare(program, model, rows, processes, save)
        second = prepare(program, model, rows, processes, save)
        print(f"  {name}, {processes} process{'es' if processes > 1 else ''}: {count} rows in {first:.2f} s, "
              f"{count / first:.0f} rows/s ({os.path.getsize(rows) / first / 1e6:.1f} MB/s of JSON); second start "
              f"{second:.2f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--model", required=True, help="directory with tokenizer.json and the chat template")
    parser.add_argument("--rows", default=os.environ.get("LONGHAUL_AGENT_DATA",
                                                         os.path.join(ROOT, "../shared/data/agent")),
                        help="JSON lines, or a folder of *.jsonl (default: LONGHAUL_AGENT_DATA)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prepare_rows", type=int, default=100000,
                        help="generated rows for data prepare; 0: do not measure it")
    options = parser.parse_args()
    files = sorted(glob.glob(os.path.join(options.rows, "*.jsonl"))) if os.path.isdir(options.rows) else [options.rows]
    if not files:
        parser.error(f"--rows {options.rows}: no *.jsonl there")
    print(processor(), flush=True)
    with tempfile.TemporaryDirectory(prefix="longhaul-bench-") as folder:
        rows = os.path.join(folder, "rows.jsonl")
        with open(rows, "wb") as together:
            for file in files:
                with open(file, "rb") as one:
                    together.write(one.read().rstrip(b"\n") + b"\n")
        smallest = compare(options.program, options.model, rows, options.rounds, folder)
        if options.prepare_rows:
            known = subprocess.run([options.program, "data", "prepare", "--help"], capture_output=True, text=True)
            if "data prepare" not in known.stdout:
                print("longhaul data prepare: not in this program, left out")
            else:
                time_prepare(options.program, options.model, rows, "the rows above", folder)
                generated = os.path.join(folder, "generated.jsonl")
                write_rows(generated, options.prepare_rows)
                time_prepare(options.program, options.model, generated, "generated rows", folder)
    return 0 if smallest >= 5 else 1


if __name__ == "__main__":
    sys.exit(main())
