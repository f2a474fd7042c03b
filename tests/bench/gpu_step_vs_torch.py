#!/usr/bin/env python3
"""Whole training steps on one GPU: Longhaul against PyTorch with transformers (SDPA, torch.compile,
fused AdamW, gradient clipping), on the same model, tokens and documents. There are three peers:

  plain        what its documentation shows: model(input_ids, labels), weights, gradients and moments
               in bf16. While a model is compiled, transformers 5.17 builds a dense mask, and SDPA
               misses its fast kernels.
  bf16         the same, told through a prepared mask that there is nothing but causality
  fp32-master  as bf16, with fp32 weights, gradients and moments, computing under autocast: the
               precision that Longhaul trains in. With everything in bf16 small updates are rounded away.

Each case runs each peer in a process of its own, then `longhaul bench step`, and ends in one table.
Needs a Python with torch, transformers and CUDA; no network.

Usage:
  gpu_step_vs_torch.py PATH/TO/longhaul --preset qwen3-1.7b-4x4096 [--preset ...] [flags]
  gpu_step_vs_torch.py PATH/TO/longhaul --config DIR --batch 4 --sequence 4096 [flags]
"""
import argparse
import json
import os
import sys
import tempfile

import step_peer

CONFIGS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data/configs")

PEERS = ("plain", "bf16", "fp32-master")

# The cases of docs/design.md, "Speed to reach". Four layers of the 32B model with a tied head leave
# room for fp32 optimizer state in 80 GB.
PRESETS = {
    "qwen3-1.7b-4x4096": {"config": "Qwen3-1.7B", "batch": 4, "sequence": 4096},
    "qwen3-32b-width-16k": {"config": "Qwen3-32B", "layers": 4, "tie": True, "batch": 1, "sequence": 16384},
    "qwen3-32b-width-64k": {"config": "Qwen3-32B", "layers": 4, "tie": True, "batch": 1, "sequence": 65536},
    "qwen3-1.7b-64k": {"config": "Qwen3-1.7B", "batch": 1, "sequence": 65536},
}


class Autocast:
    """A model with fp32 weights that computes in bf16, as mixed-precision training does."""

    def __init__(self, model, device):
        self.model, self.device, self.parameters = model, device, model.parameters

    def __call__(self, **inputs):
        import torch

        with torch.autocast(self.device, torch.bfloat16):
            return self.model(**inputs)


def peer_child(case):
    """In a process of its own: the peer's numbers as a line of JSON."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(1)
    device = case["device"]
    cuda = device == "cuda"
    settings = step_peer.read_config(case["config"], case["layers"], case["tie"], case["sequence"])
    settings["use_cache"] = False
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
            json.dump(settings, file)
        config = AutoConfig.from_pretrained(directory)
    results = {"device": torch.cuda.get_device_name() if cuda else device,
               "software": f"torch {torch.__version__}"}
    try:
        with torch.device(device):
            dtype = torch.float32 if case["peer"] == "fp32-master" else torch.bfloat16
            model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
        model.train()
        if case["gradient_checkpointing"]:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        matrices = [p for p in model.parameters() if p.dim() > 1]
        others = [p for p in model.parameters() if p.dim() <= 1]
        optimizer = torch.optim.AdamW([{"params": matrices}, {"params": others, "weight_decay": 0.0}],
                                      lr=1e-5, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
        compiled = torch.compile(model, dynamic=False) if case["compile"] else model
        if case["peer"] == "fp32-master":
            compiled = Autocast(compiled, device)
        results |= step_peer.torch_steps(compiled, optimizer, case["batch"], case["sequence"],
                                         config.vocab_size, case["warmup"], case["steps"],
                                         torch.cuda.synchronize if cuda else lambda: None,
                                         None if case["peer"] == "plain" else step_peer.CAUSAL)
    except Exception as error:  # compilers wrap what they meet
        if not isinstance(error, torch.OutOfMemoryError) and "out of memory" not in str(error):
            raise
        results["failed"] = "out of memory"
    if cuda:
        results["memory_bytes"] = torch.cuda.max_memory_reserved()
        results["allocated_bytes"] = torch.cuda.max_memory_allocated()
    print(json.dumps(results))


def add_rates(results, flops):
    if "failed" not in results:
        results["model_tflops"] = flops / results["milliseconds"] * 1e-9


def run_case(options, case):
    """The results of both sides, by name."""
    environment = dict(os.environ, HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    config = step_peer.read_config(case["config"], case["layers"], case["tie"], case["sequence"])
    flops = step_peer.model_flops(config, case["batch"], case["sequence"])
    sides = {}
    for peer in options.peer if options.only != "ours" else []:
        child = dict(case, device=options.device, compile=options.device == "cuda", peer=peer,
                     gradient_checkpointing=options.gradient_checkpointing, warmup=options.warmup,
                     steps=options.steps)
        results = step_peer.run_json(
            [sys.executable, os.path.abspath(__file__), "--peer-child", json.dumps(child)], environment,
            options.timeout)
        add_rates(results, flops)
        sides[f"PyTorch, {peer}"] = results
        print(f"{case['name']}: PyTorch, {peer}: {json.dumps(results)}", file=sys.stderr, flush=True)
    if options.only != "peer":
        flags = ["--backend", "cpu" if options.device == "cpu" else "cuda", "--config", case["config"],
                 "--tokens", case["batch"] * case["sequence"], "--documents", case["batch"],
                 "--warmup", options.warmup, "--steps", options.steps, "--lr", 1e-5,
                 "--recompute_granularity", options.recompute_granularity,
                 "--attention_backend", options.attention_backend]
        if case["layers"]:
            flags += ["--layers", case["layers"]]
        if case["tie"] is not None:
            flags += ["--tie_word_embeddings", str(case["tie"]).lower()]
        sides["Longhaul"] = step_peer.run_longhaul(options.program, flags, environment, options.timeout)
        if "failed" not in sides["Longhaul"]:
            # The peer's rate is by our formula; both sides must have counted the same.
            ratio = sides["Longhaul"]["model_flops"] / flops
            assert abs(ratio - 1) < 1e-9, f"FLOP counts differ: {ratio}"
    return sides


def ratio_to(sides, peer):
    """Our tokens/s over a peer's; None where either is missing."""
    ours = sides.get("Longhaul", {})
    if peer == "Longhaul" or "tokens_per_second" not in ours or "tokens_per_second" not in sides[peer]:
        return None
    return ours["tokens_per_second"] / sides[peer]["tokens_per_second"]


def print_table(all_sides):
    print(f"\n{'case':20} {'program':20} {'ms':>9} {'tokens/s':>10} {'TFLOP/s':>8} {'GiB':>6} "
          f"{'loss':>17} {'Longhaul is':>12}")
    for name, sides in all_sides.items():
        for program, r in sides.items():
            if "failed" in r:
                memory = f"{r['memory_bytes'] / 2**30:.1f} GiB reserved" if "memory_bytes" in r else ""
                print(f"{name:20} {program:20} {r['failed']} {memory}")
                continue
            ratio = ratio_to(sides, program)
            memory = f"{r['memory_bytes'] / 2**30:6.1f}" if "memory_bytes" in r else f"{'-':>6}"
            print(f"{name:20} {program:20} {r['milliseconds']:9.1f} {r['tokens_per_second']:10,.0f} "
                  f"{r['model_tflops']:8.4g} {memory} {r['first_loss']:8.3f} {r['last_loss']:8.3f} "
                  + (f"{ratio:10.2f} x" if ratio else ""))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program", nargs="?", help="the longhaul program")
    parser.add_argument("--preset", action="append", choices=PRESETS, help="a known case; may be repeated")
    parser.add_argument("--config", help="a folder with config.json, for a case of your own")
    parser.add_argument("--layers", type=int, help="take so many layers of it")
    parser.add_argument("--tie_word_embeddings", choices=["true", "false"])
    parser.add_argument("--batch", type=int, help="documents of a step")
    parser.add_argument("--sequence", type=int, help="tokens of each")
    parser.add_argument("--gradient_checkpointing", action="store_true", help="of the peer")
    parser.add_argument("--peer", action="append", choices=PEERS,
                        help="which peer, see above; may be repeated; default: all three")
    parser.add_argument("--recompute_granularity", default="auto", help="of Longhaul")
    parser.add_argument("--attention_backend", default="auto", help="of Longhaul")
    parser.add_argument("--steps", type=int, default=6, help="steps that count")
    parser.add_argument("--warmup", type=int, default=3, help="steps before them, compiling included")
    parser.add_argument("--only", choices=["both", "ours", "peer"], default="both")
    parser.add_argument("--timeout", type=float, default=400, help="seconds for each side of a case")
    parser.add_argument("--json", help="also write all results to this file")
    parser.add_argument("--at_least", type=float, help="exit with 1 when the ratio to any peer is below this")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda",
                        help="cpu: tries this program out, without compiling; its numbers say nothing")
    parser.add_argument("--peer-child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer_child:
        return options
    options.peer = options.peer or PEERS
    if not options.program and options.only != "peer":
        parser.error("give the path of longhaul")
    if not options.preset and not (options.config and options.batch and options.sequence):
        parser.error("give --preset, or --config with --batch and --sequence")
    return options


def cases_of(options):
    tie = {"true": True, "false": False, None: None}[options.tie_word_embeddings]
    cases = []
    for name in options.preset or []:
        preset = PRESETS[name]
        cases.append({"name": name, "config": os.path.join(CONFIGS, preset["config"]),
                      "layers": options.layers or preset.get("layers", 0),
                      "tie": preset.get("tie") if tie is None else tie,
                      "batch": options.batch or preset["batch"],
                      "sequence": options.sequence or preset["sequence"]})
    if not cases:
        cases.append({"name": os.path.basename(os.path.normpath(options.config)), "config": options.config,
                      "layers": options.layers or 0, "tie": tie, "batch": options.batch,
                      "sequence": options.sequence})
    return cases


def main():
    options = parse()
    if options.peer_child:
        peer_child(json.loads(options.peer_child))
        return
    all_sides = {}
    for case in cases_of(options):
        all_sides[case["name"]] = run_case(options, case)
        if options.json:  # after each case: a later one may be cut short
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump(all_sides, file, indent=1)
    print_table(all_sides)
    failed = False
    for name, sides in all_sides.items():
        failed |= "failed" in sides.get("Longhaul", {})
        for peer in sides:
            ratio = ratio_to(sides, peer)
            if options.at_least and ratio and ratio < options.at_least:
                print(f"{name}: {ratio:.2f} times {peer} is below {options.at_least}")
                failed = True
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
