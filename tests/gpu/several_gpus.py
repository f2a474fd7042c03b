#!/usr/bin/env python3
"""Several GPUs of one host, one rank each: the same numbers in every layout, how speed scales, what the
links carry, a checkpoint, and a killed rank. Every part ends in a table; needs Python's standard library.

  layouts      losses and gradient norms of every TP x CP x DP against one GPU's
  speed        steps of the Qwen models' widths in several layouts, against one GPU where one can hold it
  collectives  bandwidths by size of the groups that training uses
  checkpoint   how long training waits for a checkpoint, the rate of writing it, resuming in another layout
  kill         kill -9 of a rank: how long until all are gone, and what is printed
  freeze       the same for a rank that is stopped while the others wait for it inside NCCL

Usage: several_gpus.py PATH/TO/longhaul [PART...] [--gpus N] [--json FILE]
"""
import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import comparison

CONFIGS = os.path.join(comparison.ROOT, "tests", "data", "configs")

# In BF16 two layouts round at different places; tests/train/layout_test.cpp has the reasoning.
LOSS_TOLERANCE, NORM_TOLERANCE = 2e-3, 1e-2

# Heads of 128 and of 64; TP 8 can divide the first, TP 2 the second.
LAYOUT_CONFIGS = ("Qwen3-0.6B", "Qwen2.5-0.5B-Instruct")


class Host:
    def __init__(self, options, folder):
        self.program, self.folder, self.gpus = os.path.abspath(options.program), folder, options.gpus
        self.gemm_cache = os.path.join(folder, "gemm_algorithms.jsonl")
        self.timeout, self.checkpoint_model = options.timeout, options.checkpoint_model
        self.environment = {**os.environ, **comparison.MPI}

    def command(self, ranks, *arguments):
        return ["mpirun", "-n", str(ranks), self.program, *map(str, arguments)]

    def run(self, command):
        """(exit status, output, errors); the status is None after `timeout` seconds. mpirun is asked to end, so
        that it ends its ranks: those of a killed one would keep their GPUs."""
        process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        try:
            output, errors = process.communicate(timeout=self.timeout)
            return process.returncode, output, errors
        except subprocess.TimeoutExpired:
            return None, "", f"took longer than {self.timeout} s"
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()

    def bench(self, ranks, what, **flags):
        """`longhaul bench WHAT`: its JSON, or {"failed": why}."""
        report = os.path.join(self.folder, "report.json")
        arguments = list(itertools.chain.from_iterable((f"--{name}", value) for name, value in flags.items()))
        begun = time.time()
        status, _, errors = self.run(self.command(ranks, "bench", what, *arguments, "--gemm_cache_file",
                                                  self.gemm_cache, "--json", report))
        if status != 0:
            lines = [line for line in errors.splitlines() if "error" in line] or [errors[-300:]]
            return {"failed": lines[0][:200]}
        with open(report, encoding="utf-8") as file:
            return {**json.load(file), "wall_seconds": time.time() - begun}

    def step(self, ranks, config, tp, cp, **flags):
        return self.bench(ranks, "step", config=os.path.join(CONFIGS, config), tensor_model_parallel_size=tp,
                          context_parallel_size=cp, backend="cuda", **flags)


def layouts_of(ranks):
    return [(tp, cp, ranks // tp // cp) for tp in range(1, ranks + 1) if ranks % tp == 0
            for cp in range(1, ranks // tp + 1) if ranks // tp % cp == 0]


def kv_heads_of(config):
    with open(os.path.join(CONFIGS, config, "config.json"), encoding="utf-8") as file:
        return json.load(file)["num_key_value_heads"]


def name_of(layout):
    return "TP {} x CP {} x DP {}".format(*layout)


def part_layouts(host):
    """Unequal documents, of which one is longer than a CP chunk; loss on a third of the tokens."""
    good, table = True, []
    batch = {"lengths": "5000,1500,37,2600,900", "loss_share": 0.3, "steps": 3, "warmup": 0, "lr": 1e-4}
    for config in LAYOUT_CONFIGS:
        reference = host.step(1, config, 1, 1, micro_batches=host.gpus, **batch)
        if "failed" in reference:
            print(f"{config}, one GPU: {reference['failed']}")
            return False, table
        print(f"{config}, one GPU: losses", " ".join(f"{row['loss']:.5f}" for row in reference["rows"]),
              " norms", " ".join(f"{row['grad_norm']:.4f}" for row in reference["rows"]))
        for layout in layouts_of(host.gpus):
            tp, cp, dp = layout
            if kv_heads_of(config) % tp != 0:
                continue  # TP cannot divide this model
            result = host.step(host.gpus, config, tp, cp, micro_batches=host.gpus // dp, **batch)
            if "failed" in result:
                print(f"  {name_of(layout):20} FAILED: {result['failed']}")
                good = False
                continue
            loss, norm = (max(abs(a[key] - b[key]) / b[key] for a, b in zip(result["rows"], reference["rows"]))
                          for key in ("loss", "grad_norm"))
            right = loss <= LOSS_TOLERANCE and norm <= NORM_TOLERANCE
            good = good and right
            table.append({"config": config, "layout": layout, "loss_difference": loss, "norm_difference": norm})
            print(f"  {name_of(layout):20} loss within {loss:.1e}, norm within {norm:.1e}"
                  f"{'' if right else '  FAILED'}", flush=True)
    return good, table


def speed_cases(gpus):
    """(config, layout, flags). One GPU first, where it can hold the case; then as many layers as fit, and
    equal numbers of layers where layouts are compared."""
    half = gpus // 2
    wide = {"tie_word_embeddings": "true"}  # so that one GPU can hold a few layers beside the vocabulary
    cases = [("Qwen3-8B", (1, 1, 1), {"layers": 12, "tokens": 16384}),
             ("Qwen3-8B", (1, 1, gpus), {"layers": 12, "tokens": 16384}),
             ("Qwen3-8B", (1, 1, gpus), {"tokens": 16384}),
             ("Qwen3-8B", (2, half, 1), {"tokens": 16384 * gpus}),
             ("Qwen3-32B", (1, 1, 1), {"layers": 3, "tokens": 65536, **wide}),
             ("Qwen3-32B", (gpus, 1, 1), {"layers": 4 * gpus, "tokens": 65536, **wide}),
             ("Qwen3-32B", (half, 2, 1), {"layers": 4 * gpus, "tokens": 65536, **wide}),
             ("Qwen3-32B", (max(half // 2, 1), gpus // max(half // 2, 1), 1),
              {"layers": 4 * gpus, "tokens": 65536, **wide}),
             ("Qwen3-32B", (gpus, 1, 1), {"layers": 6 * gpus, "tokens": 65536, **wide}),
             ("Qwen2.5-72B-Instruct", (1, 1, 1), {"layers": 2, "tokens": 16384, **wide}),
             ("Qwen2.5-72B-Instruct", (gpus, 1, 1), {"layers": 4 * gpus, "tokens": 16384, **wide}),
             ("Qwen2.5-72B-Instruct", (1, 1, 1), {"layers": 1, "tokens": 65536, **wide}),
             ("Qwen2.5-72B-Instruct", (gpus, 1, 1), {"layers": 3 * gpus, "tokens": 65536, **wide})]
    seen = []
    return [case for case in cases if case not in seen and not seen.append(case)]


def part_speed(host):
    table = []
    print(f"{'model':22} {'layers':>6} {'layout':20} {'tokens':>7} {'ms':>9} {'tok/s/GPU':>9} {'TFLOP/s':>8} "
          f"{'of 1 GPU':>8} {'forward':>8} {'backward':>8} {'waiting':>8} {'optim':>7} {'GiB':>6} recomputation")
    single = {}
    for config, layout, flags in speed_cases(host.gpus):
        ranks = layout[0] * layout[1] * layout[2]
        result = host.step(ranks, config, layout[0], layout[1], steps=3, warmup=2, loss_share=0.3, **flags)
        head = f"{config:22} {flags.get('layers', 'all'):>6} {name_of(layout):20} {flags['tokens']:>7}"
        if "failed" in result:
            print(f"{head} {result['failed']}", flush=True)
            table.append({"config": config, "layout": layout, **flags, "failed": result["failed"]})
            continue
        r, row = result["results"], result["rows"][-1]
        case = config, flags["tokens"]  # longer documents have more attention, which is slower
        if ranks == 1:
            single[case] = r["model_tflops"]
        share = r["model_tflops"] / single[case] if case in single else float("nan")
        table.append({"config": config, "layout": layout, **flags, **r, "of_one_gpu": share, "last_step": row})
        print(f"{head} {r['milliseconds']:9.1f} {r['tokens_per_second_per_device']:9.0f} {r['model_tflops']:8.1f} "
              f"{share:8.2f} {row['forward_milliseconds']:8.1f} {row['backward_milliseconds']:8.1f} "
              f"{row['communication_milliseconds']:8.1f} {row['optimizer_milliseconds']:7.1f} "
              f"{r['reported_bytes'] / 2**30:6.1f} {r['recompute_granularity']}  (set up in {r['setup_seconds']:.0f} s, "
              f"all {result['wall_seconds']:.0f} s)",
              flush=True)
    return all("failed" not in row for row in table), table


def part_collectives(host):
    """TP over all GPUs; then TP beside CP, whose all-gather is that of the keys and values."""
    rows = []
    for tp, cp in dict.fromkeys([(host.gpus, 1), (host.gpus // 2, 2), (1, host.gpus)]):
        result = host.bench(host.gpus, "collectives", tensor_model_parallel_size=tp, context_parallel_size=cp,
                            backend="cuda", min_size="1MiB", max_size="512MiB", factor=8, seconds=0.1)
        if "failed" in result:
            print(result["failed"])
            return False, rows
        for row in result["rows"]:
            rows.append({"layout": (tp, cp), **row})
            print(f"  TP {tp} x CP {cp}  " + "  ".join(f"{key} {value:.4g}" if isinstance(value, float) else
                                                     f"{key} {value}" for key, value in row.items()), flush=True)
    return True, rows


def real_model(host, name):
    """A directory of the model `name` with random weights; made once."""
    folder = os.path.join(host.folder, name)
    if os.path.isdir(os.path.join(folder, "model")):
        return os.path.join(folder, "model")
    os.makedirs(folder)
    with open(os.path.join(CONFIGS, name, "config.json"), encoding="utf-8") as file:
        return comparison.make_model(host.program, folder, json.load(file), "bfloat16", threads=os.cpu_count())


def train_command(host, model, save, layout, steps, save_interval, *flags):
    return host.command(layout[0] * layout[1] * layout[2], "train", "--model", model, "--dataset", comparison.SAMPLE_ROWS,
                        "--save", save, "--tensor_model_parallel_size", layout[0], "--context_parallel_size",
                        layout[1], "--max_length", 4096, "--global_bs", 4, "--micro_bs", 1, "--train_iters", steps,
                        "--save_interval", save_interval, "--split_dataset_ratio", 0, "--lr", 1e-5,
                        "--gemm_cache_file", host.gemm_cache, "--backend", "cuda", *flags)


def part_checkpoint(host):
    """Six steps in one layout, which save after three; steps 4 to 6 once more in another layout."""
    model = real_model(host, host.checkpoint_model)
    first, second = (2, host.gpus // 2, 1), (1, 1, host.gpus)

    def losses(save, layout, *flags):
        begun = time.time()
        status, output, errors = host.run(train_command(host, model, save, layout, 6, 3, *flags))
        for line in output.splitlines():
            if "checkpoint of step" in line:
                print(f"  {name_of(layout)}: {line.strip()}")
        print(f"  {name_of(layout)}: {time.time() - begun:.0f} s with start and end", flush=True)
        if status != 0:
            sys.exit(f"FAIL: {output[-1000:]}\n{errors[-2000:]}")
        with open(os.path.join(save, "train_log.jsonl"), encoding="utf-8") as file:
            return {line["step"]: line["loss"] for line in map(json.loads, file)}

    whole = losses(os.path.join(host.folder, "whole"), first)
    moved = losses(os.path.join(host.folder, "moved"), second, "--resume",
                   os.path.join(host.folder, "whole", "step_00000003"))
    apart = [abs(whole[step] - moved[step]) / whole[step] for step in (4, 5, 6)]
    print(f"  {host.checkpoint_model}, saved in {name_of(first)}, resumed in {name_of(second)}: losses within "
          f"{max(apart):.1e}")
    return max(apart) <= LOSS_TOLERANCE, {"whole": whole, "moved": moved}


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def end_of_a_rank(host, number, limit):
    """Training, whose last rank gets the signal `number`: all ranks must be gone within `limit` seconds."""
    model = real_model(host, "Qwen3-1.7B")
    name = signal.Signals(number).name
    save = os.path.join(host.folder, name)
    log = os.path.join(host.folder, f"{name}.log")
    with open(log, "w", encoding="utf-8") as output:
        run = subprocess.Popen(train_command(host, model, save, (host.gpus, 1, 1), 100000, 100000),
                               env=host.environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        train_log = os.path.join(save, "train_log.jsonl")
        deadline = time.time() + host.timeout
        while time.time() < deadline and run.poll() is None:
            if os.path.exists(train_log) and os.path.getsize(train_log) > 2000:
                break
            time.sleep(0.2)
        ranks = children_of(run.pid) if run.poll() is None else []
        if len(ranks) != host.gpus:
            print(f"FAIL: {len(ranks)} ranks are running")
            return False, {}
        os.kill(ranks[-1], number)
        begun = time.time()
        while time.time() < begun + 2 * limit and (run.poll() is None or any(alive(pid) for pid in ranks)):
            time.sleep(0.05)
        seconds, left = time.time() - begun, sum(alive(pid) for pid in ranks)
    finally:
        if run.poll() is None:
            run.kill()
    print(f"  {seconds:.1f} s after {name} for rank {host.gpus - 1} {left} of {host.gpus} ranks are left; mpirun's exit "
          f"status {run.poll()}; the last lines:")
    with open(log, encoding="utf-8") as file:
        for line in file.read().splitlines()[-12:]:
            print(f"    | {line[:160]}")
    failure = os.path.join(save, "failure.json")
    if os.path.exists(failure):
        with open(failure, encoding="utf-8") as file:
            print("    failure.json: " + " ".join(file.read().split())[:600])
    return left == 0 and seconds < limit, {"seconds": seconds, "left": left, "status": run.poll()}


def part_kill(host):
    return end_of_a_rank(host, signal.SIGKILL, 30)


def part_freeze(host):
    """The others wait for the frozen rank inside NCCL."""
    return end_of_a_rank(host, signal.SIGSTOP, 45)


PARTS = {"layouts": part_layouts, "speed": part_speed, "collectives": part_collectives,
         "checkpoint": part_checkpoint, "kill": part_kill,
         "freeze": part_freeze}


def count_gpus():
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    return sum(line.startswith("GPU ") for line in listed.splitlines())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program", help="the longhaul program")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--gpus", type=int, default=count_gpus(), help="how many; default: those of this host")
    parser.add_argument("--timeout", type=float, default=240, help="seconds for one run")
    parser.add_argument("--checkpoint_model", default="Qwen3-1.7B", help="for the part checkpoint; default: %(default)s")
    parser.add_argument("--folder", help="where models and checkpoints go for a while; default: the temporary files")
    parser.add_argument("--json", help="also write all results to this file")
    options = parser.parse_args()
    if options.gpus < 2:
        parser.error(f"this host has {options.gpus} usable GPUs; two at least are needed")
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"no part is called {part}; there are {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is ended
    results, failed = {}, []
    with tempfile.TemporaryDirectory(prefix="longhaul-several-gpus-", dir=options.folder) as folder:
        host = Host(options, folder)
        for name in options.parts or PARTS:
            print(f"\n== {name} ==", flush=True)
            begun = time.time()
            good, results[name] = PARTS[name](host)
            if not good:
                failed.append(name)
            print(f"{name}: {time.time() - begun:.0f} s", flush=True)
            if options.json:  # after each part: a later one may be cut short
                with open(options.json, "w", encoding="utf-8") as file:
                    json.dump(results, file, indent=1)
    if failed:
        sys.exit(f"FAILED: {', '.join(failed)}")


if __name__ == "__main__":
    main()
