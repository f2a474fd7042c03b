#!/usr/bin/env python3
"""A run that changes from the GPU to the CPU in the middle, through a checkpoint, and one that changes the
other way: the losses go on as those of a run that does not change. Needs only Python's standard library.

Usage: checkpoint_interchange.py --longhaul PATH
"""
import argparse
import os
import sys
import tempfile

import comparison

FIRST, ALL = 3, 5
# The two backends differ by BF16's rounding only, which moves a loss by some parts in ten thousand.
TOLERANCE = 2e-3
# From GPU to GPU: the same numbers but for sums whose order the GPU may change.
SAME_BACKEND = 1e-3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--longhaul", required=True, help="the program")
    parser.add_argument("--backend", default="cuda", help="the one beside the CPU; cpu tries the script out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="longhaul-interchange-") as folder:
        model = comparison.make_model(options.longhaul, folder)
        rows, _ = comparison.take_rows(options.longhaul, model, comparison.SAMPLE_ROWS, folder, 24, 1024)

        def losses(name, *parts):
            """Of a run in parts, each on a backend up to a step."""
            for backend, last in parts:
                flags = {"backend": backend, "max_length": 1024, "micro_bs": 1, "global_bs": 4, "lr": 1e-3,
                         "lr_decay_style": "constant", "train_iters": last, "save_interval": ALL, "seed": 3,
                         "gemm_cache_file": "none", "tensor_model_parallel_size": 1, "context_parallel_size": 1}
                log = comparison.train(options.longhaul, model, rows, os.path.join(folder, name), flags,
                                       threads=os.cpu_count())
            print(f"  {name}: " + " ".join(f"{line['loss']:.5f}" for line in log), flush=True)
            return [line["loss"] for line in log]

        other = options.backend
        cpu = losses("cpu", ("cpu", ALL))
        whole = losses(other + "-whole", (other, ALL))
        good = True
        for name, expected, limit, parts in (
                (f"{other}-then-cpu", whole, TOLERANCE, ((other, FIRST), ("cpu", ALL))),
                (f"cpu-then-{other}", cpu, TOLERANCE, (("cpu", FIRST), (other, ALL))),
                (f"{other}-then-{other}", whole, SAME_BACKEND, ((other, FIRST), (other, ALL)))):
            good = comparison.judge(name, losses(name, *parts), expected, limit, limit) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
