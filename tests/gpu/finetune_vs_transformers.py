#!/usr/bin/env python3
"""Fine-tunes a small Qwen3 model on real conversations with longhaul on the GPU, and the same rows for
the same steps with transformers and PyTorch, both in BF16 with FP32 master weights; the loss curves must
agree within noise. Every step contains all rows, one a pack, so that both see the same batches.

With --cpu_steps N also N steps of the CPU backend (FP32) against N steps on the GPU (BF16).

Writes a table (CSV) and a plot (SVG) of each comparison to --output. Exit status 0 when all agree.

Usage: finetune_vs_transformers.py --longhaul PATH [--rows FILE] [--output DIR] [--cpu_steps 100]
"""
import argparse
import math
import os
import sys
import tempfile
import time

import comparison

MEAN_LIMIT = 0.01     # of the relative difference of the losses, over the steps
LARGEST_LIMIT = 0.03  # at any step

OPTIMIZER = {"lr": 1e-3, "min_lr": 1e-4, "lr_warmup_fraction": 0.1, "weight_decay": 0.1, "adam_beta1": 0.9,
             "adam_beta2": 0.95, "adam_eps": 1e-8, "clip_grad": 1.0}


def learning_rate(step, steps):
    """Of step `step` from 0: linear warm-up to lr, then a cosine towards min_lr."""
    lr, least = OPTIMIZER["lr"], OPTIMIZER["min_lr"]
    warm_up = OPTIMIZER["lr_warmup_fraction"] * steps
    if step + 1 <= warm_up:
        return lr * (step + 1) / warm_up
    done = min(max((step - warm_up) / (steps - warm_up), 0.0), 1.0)
    return least + 0.5 * (1 + math.cos(math.pi * done)) * (lr - least)


def load_model(directory, dtype):
    from transformers import AutoModelForCausalLM

    try:
        return AutoModelForCausalLM.from_pretrained(directory, dtype=dtype, attn_implementation="sdpa")
    except TypeError:  # the argument's name in older releases
        return AutoModelForCausalLM.from_pretrained(directory, torch_dtype=dtype, attn_implementation="sdpa")


def train_with_torch(directory, samples, steps, device, dtype):
    """Losses, gradient norms and learning rates. The model computes in `dtype`; gradients of the rows are
    summed in FP32; AdamW works on FP32 weights, which are then rounded."""
    import torch

    model = load_model(directory, dtype).to(device)
    model.train()
    rounded = dict(model.named_parameters())  # tied weights once
    exact = {name: p.float().clone() for name, p in load_model(directory, torch.float32).named_parameters()}
    master = {name: torch.nn.Parameter(exact[name].to(device)) for name in rounded}
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in master.values() if p.ndim > 1], "weight_decay": OPTIMIZER["weight_decay"]},
         {"params": [p for p in master.values() if p.ndim == 1], "weight_decay": 0.0}],
        lr=OPTIMIZER["lr"], betas=(OPTIMIZER["adam_beta1"], OPTIMIZER["adam_beta2"]), eps=OPTIMIZER["adam_eps"])
    batch = [(torch.tensor([ids], device=device), torch.tensor(weights[1:], device=device))
             for ids, weights in samples]
    total_weight = sum(weights.sum().item() for _, weights in batch)

    losses, norms, rates = [], [], []
    for step in range(steps):
        for parameter in master.values():
            parameter.grad = torch.zeros_like(parameter)
        loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        for ids, weights in batch:
            logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
            nll = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
            row_loss = (weights * nll).sum()
            (row_loss / total_weight).backward()
            loss_sum += row_loss.detach()
            with torch.no_grad():
                for name, parameter in rounded.items():
                    master[name].grad += parameter.grad.float()
                    parameter.grad = None
        norms.append(torch.nn.utils.clip_grad_norm_(list(master.values()), OPTIMIZER["clip_grad"]).item())
        rates.append(learning_rate(step, steps))
        for group in optimizer.param_groups:
            group["lr"] = rates[-1]
        optimizer.step()
        with torch.no_grad():
            for name, parameter in rounded.items():
                parameter.copy_(master[name])
        losses.append(loss_sum.item() / total_weight)
    return losses, norms, rates


class Comparison:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.model = comparison.make_model(options.longhaul, folder)
        self.rows, self.samples = comparison.take_rows(options.longhaul, self.model, options.rows, folder,
                                                       options.row_count, options.max_length)
        print(f"  {len(self.samples)} rows, {sum(len(ids) for ids, _ in self.samples)} tokens, "
              f"{sum(1 for _, ws in self.samples for w in ws if w)} of them trained")

    def train(self, backend, steps, threads=1):
        flags = {**OPTIMIZER, "lr_decay_style": "cosine", "backend": backend, "packing": "false", "micro_bs": 1,
                 "global_bs": len(self.samples), "train_iters": steps, "max_length": self.options.max_length,
                 "save_interval": steps, "gemm_cache_file": "none", "tensor_model_parallel_size": 1,
                 "context_parallel_size": 1}
        begun = time.time()
        log = comparison.train(self.options.longhaul, self.model, self.rows,
                               os.path.join(self.folder, f"run-{backend}-{steps}"), flags, threads)
        print(f"  longhaul {backend}: {steps} steps in {time.time() - begun:.0f} s", flush=True)
        if len(log) != steps or any(line["skipped"] for line in log):
            sys.exit(f"FAIL: {len(log)} steps in the log, some perhaps skipped")
        trained = sum(1 for _, weights in self.samples for w in weights if w)
        if any(line["trained_tokens"] != trained for line in log):
            sys.exit(f"FAIL: a step trained {log[0]['trained_tokens']} tokens, the rows have {trained}")
        return log

    def against_torch(self, steps):
        import torch
        import transformers

        log = self.train(self.options.backend, steps)
        begun = time.time()
        # Without a GPU this only tries the script out, in the CPU backend's FP32.
        device, dtype = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
        transformers.utils.logging.disable_progress_bar()
        losses, norms, rates = train_with_torch(self.model, self.samples, steps, device, dtype)
        name = f"transformers {transformers.__version__}, torch {torch.__version__}, {str(dtype)[6:]}"
        print(f"  {name} on {device}: {steps} steps in {time.time() - begun:.0f} s")
        if any(abs(a["learning_rate"] - b) > 1e-6 * b for a, b in zip(log, rates, strict=True)):
            sys.exit("FAIL: the learning rates differ")
        ours = [line["loss"] for line in log]
        comparison.write_table(os.path.join(self.options.output, "longhaul_vs_transformers.csv"),
                               {"longhaul": ours, "transformers": losses, "learning_rate": rates,
                                "longhaul_grad_norm": [line["grad_norm"] for line in log],
                                "transformers_grad_norm": norms, "difference": comparison.differences(ours, losses)})
        comparison.plot(os.path.join(self.options.output, "longhaul_vs_transformers.svg"),
                        f"{len(self.samples)} agent conversations, small Qwen3",
                        (f"Longhaul, {self.options.backend}", ours), (name, losses))
        return comparison.judge("longhaul against transformers", ours, losses, MEAN_LIMIT, LARGEST_LIMIT)

    def against_cpu(self, steps):
        gpu = [line["loss"] for line in self.train(self.options.backend, steps)]
        cpu = [line["loss"] for line in self.train("cpu", steps, threads=os.cpu_count())]
        comparison.write_table(os.path.join(self.options.output, "gpu_vs_cpu.csv"),
                               {"gpu": gpu, "cpu": cpu, "difference": comparison.differences(gpu, cpu)})
        comparison.plot(os.path.join(self.options.output, "gpu_vs_cpu.svg"),
                        f"{len(self.samples)} agent conversations, small Qwen3",
                        (f"Longhaul, {self.options.backend}", gpu), ("Longhaul, CPU in FP32", cpu))
        return comparison.judge("GPU in BF16 against CPU in FP32", gpu, cpu, MEAN_LIMIT, LARGEST_LIMIT)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--longhaul", required=True, help="the program")
    parser.add_argument("--rows", default=comparison.SAMPLE_ROWS, help="conversations, JSON lines")
    parser.add_argument("--row_count", type=int, default=8, help="how many of them")
    parser.add_argument("--max_length", type=int, default=1024, help="longer rows are passed over")
    parser.add_argument("--steps", type=int, default=50, help="beside transformers; 0: leave that out")
    parser.add_argument("--cpu_steps", type=int, default=0, help="beside the CPU backend; 0: leave that out")
    parser.add_argument("--backend", default="cuda", help="what is tested; cpu tries the script out")
    parser.add_argument("--output", default=".", help="where tables and plots go")
    options = parser.parse_args()
    os.makedirs(options.output, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="longhaul-curve-") as folder:
        runs = Comparison(options, folder)
        good = runs.against_torch(options.steps) if options.steps > 0 else True
        if options.cpu_steps > 0:
            good = runs.against_cpu(options.cpu_steps) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
