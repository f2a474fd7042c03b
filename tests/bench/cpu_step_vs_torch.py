#!/usr/bin/env python3
"""Whole training steps on the CPU: Longhaul's CPU backend against PyTorch with transformers, on the
same weights, tokens and number of threads, in turns in one run.

Needs a Python with torch and transformers.

Usage: cpu_step_vs_torch.py PATH/TO/longhaul [--tokens 1024] [--threads 2] [--steps 5] [--rounds 2]
"""
import argparse
import json
import os
import statistics
import sys
import tempfile

import step_peer

WARMUP = 1  # touches the memory


def torch_child(directory, tokens, threads, steps):
    import torch
    from transformers import Qwen2ForCausalLM

    torch.set_num_threads(threads)
    model = Qwen2ForCausalLM.from_pretrained(directory).float()
    model.train()
    # No decay on norms and biases, as Longhaul does it.
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": matrices}, {"params": others, "weight_decay": 0.0}],
                                  lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1)
    results = step_peer.torch_steps(model, optimizer, 1, tokens, model.config.vocab_size, WARMUP, steps)
    results["device"] = f"torch {torch.__version__}"
    print(json.dumps(results))


def make_model(directory):
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(1)
    config = Qwen2Config(vocab_size=32000, hidden_size=512, intermediate_size=1536, num_hidden_layers=4,
                         num_attention_heads=8, num_key_value_heads=4, max_position_embeddings=4096,
                         tie_word_embeddings=True)
    Qwen2ForCausalLM(config).save_pretrained(directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program", nargs="?")
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--torch-child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.torch_child:
        torch_child(options.torch_child, options.tokens, options.threads, options.steps)
        return
    if not options.program:
        parser.error("give the path of longhaul")
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as directory:
        make_model(directory)
        for _ in range(options.rounds):
            ours.append(step_peer.run_longhaul(
                options.program,
                ["--backend", "cpu", "--config", directory, "--weights", directory, "--tokens", options.tokens,
                 "--threads", options.threads, "--warmup", WARMUP, "--steps", options.steps, "--lr", 1e-4,
                 "--recompute_granularity", "none"],
                environment))
            theirs.append(step_peer.run_json(
                [sys.executable, __file__, "--torch-child", directory, "--tokens", str(options.tokens),
                 "--threads", str(options.threads), "--steps", str(options.steps)], environment))
            for name, results in (("Longhaul", ours[-1]), ("PyTorch", theirs[-1])):
                if "failed" in results:
                    sys.exit(f"{name}: {results['failed']}")
                print(f"{name:8} {results['tokens_per_second']:9.1f} tokens/s  "
                      f"{results['milliseconds']:9.1f} ms  loss {results['first_loss']:.4f} to "
                      f"{results['last_loss']:.4f}  ({results['device']})", flush=True)
    ratio = (statistics.median(r["tokens_per_second"] for r in ours)
             / statistics.median(r["tokens_per_second"] for r in theirs))
    print(f"ratio {ratio:.2f} (Longhaul / PyTorch, {options.tokens} tokens, {options.threads} threads)")


if __name__ == "__main__":
    main()
