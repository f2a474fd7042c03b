#!/usr/bin/env python3
"""Whole training steps on the CPU: Longhaul's CPU backend against PyTorch with transformers, on the
same model, tokens and number of threads, in turns in one run.

Needs a Python with torch and transformers (Debian's python3-torch and transformers 4.40 will do)
and the program cpu_training_step (target of the same name).

Usage: cpu_step_vs_torch.py PATH/TO/cpu_training_step [--tokens 1024] [--threads 2] [--steps 5]
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time


def torch_child(directory, tokens, threads, steps):
    import torch
    from transformers import Qwen2ForCausalLM

    torch.set_num_threads(threads)
    model = Qwen2ForCausalLM.from_pretrained(directory, torch_dtype=torch.float32)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1)
    ids = torch.tensor([[i * 7919 % model.config.vocab_size for i in range(tokens)]])
    seconds = []
    for step in range(steps + 1):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step > 0:
            seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    print(json.dumps({"backend": f"torch {torch.__version__}", "tokens_per_second": tokens / median,
                      "step_seconds": median, "last_loss": loss.item()}))


def make_model(directory):
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(1)
    config = Qwen2Config(vocab_size=32000, hidden_size=512, intermediate_size=1536, num_hidden_layers=4,
                         num_attention_heads=8, num_key_value_heads=4, max_position_embeddings=4096,
                         tie_word_embeddings=True)
    Qwen2ForCausalLM(config).save_pretrained(directory, safe_serialization=True)


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
        parser.error("give the path of cpu_training_step")
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))
    with tempfile.TemporaryDirectory() as directory:
        make_model(directory)
        ours, theirs = [], []
        for _ in range(options.rounds):
            for command, results in (
                ([options.program, directory, str(options.tokens), str(options.threads), str(options.steps)], ours),
                ([sys.executable, __file__, "--torch-child", directory, "--tokens", str(options.tokens),
                  "--threads", str(options.threads), "--steps", str(options.steps)], theirs),
            ):
                output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
                results.append(json.loads(output.stdout.strip().splitlines()[-1]))
                print(json.dumps(results[-1]), flush=True)
    ratio = (statistics.median(r["tokens_per_second"] for r in ours)
             / statistics.median(r["tokens_per_second"] for r in theirs))
    print(f"ratio {ratio:.2f} (Longhaul / PyTorch, {options.tokens} tokens, {options.threads} threads)")


if __name__ == "__main__":
    main()
