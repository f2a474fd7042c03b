"""What the programs that measure Longhaul's steps against PyTorch share: the same tokens, the FLOP
count of docs/performance.md, PyTorch's steps, and running `longhaul bench step`."""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

MASK = (1 << 64) - 1


def random_bits(stream, number):
    """src/bench/random_data.h: SplitMix64."""
    z = (stream + (number + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def synthetic_tokens(count, vocabulary):
    """The first stream of `longhaul bench step` (src/bench/synthetic.h)."""
    return [random_bits(0, i) % vocabulary for i in range(count)]


def read_config(directory, layers=0, tie_word_embeddings=None, positions=0):
    """A model's config.json with fewer layers, another head, and room for so many positions."""
    with open(os.path.join(directory, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    if layers:
        config["num_hidden_layers"] = layers
        config.pop("layer_types", None)  # one for each of the layers that there were
    if tie_word_embeddings is not None:
        config["tie_word_embeddings"] = tie_word_embeddings
    config["max_position_embeddings"] = max(positions, config.get("max_position_embeddings", 0))
    return config


def model_flops(config, batch, sequence):
    """Of one step with loss on every row: docs/performance.md, "Model FLOPs"."""
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    head_dim = config.get("head_dim") or hidden // heads
    layer = hidden * head_dim * (2 * heads + 2 * kv_heads) + 3 * hidden * config["intermediate_size"]
    matrices = 6 * layers * layer * batch * sequence
    # The last token of a document predicts nothing.
    head = 6 * config["vocab_size"] * hidden * batch * (sequence - 1)
    return matrices + head + 6 * layers * heads * head_dim * batch * sequence**2


def run_json(command, environment, timeout=None):
    """Runs a child whose last line of output is a JSON object; what went wrong under "failed"."""
    try:
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True,
                                timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"failed": f"took longer than {timeout} s"}
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.stdout[-2000:] + error.stderr[-4000:])
        lines = error.stderr.strip().splitlines() or ["no message"]
        return {"failed": lines[-1][:200]}
    return json.loads(output.stdout.strip().splitlines()[-1])


def run_longhaul(program, flags, environment, timeout=None):
    """`longhaul bench step` with these flags: its results, or why there are none under "failed"."""
    with tempfile.TemporaryDirectory() as directory:
        report = os.path.join(directory, "step.json")
        command = [program, "bench", "step", *map(str, flags), "--json", report]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout,
                                  check=False)
        except subprocess.TimeoutExpired:
            return {"failed": f"took longer than {timeout} s"}
        sys.stderr.write(done.stdout)
        if done.returncode != 0:
            sys.stderr.write(done.stderr[-4000:])
            lines = [line for line in done.stderr.splitlines() if "error" in line] or [done.stderr]
            return {"failed": lines[0][:200]}
        with open(report, encoding="utf-8") as file:
            content = json.load(file)
    results = content["results"]
    results["device"] = content["device"]
    results["first_loss"] = content["rows"][0]["loss"]
    results["last_loss"] = content["rows"][-1]["loss"]
    results["memory_bytes"] = results["reported_bytes"]
    return results


# While a model is compiled, transformers (5.17) builds a dense mask, in case several documents are
# packed into a row, and attention then misses its fast kernels. A prepared mask says that there is
# nothing but causality.
CAUSAL = {"full_attention": None}


def torch_steps(model, optimizer, batch, sequence, vocabulary, warmup, steps, synchronize=lambda: None,
                mask=None):
    """Steps as Longhaul's: forward with loss on every row, backward, clipping, AdamW. The median of
    the steps after the warm-up."""
    import torch

    device = next(model.parameters()).device
    ids = torch.tensor(synthetic_tokens(batch * sequence, vocabulary), device=device).view(batch, sequence)
    seconds, losses = [], []
    for _ in range(warmup + steps):
        synchronize()
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = model(input_ids=ids, labels=ids, attention_mask=mask, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.detach())
        synchronize()
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds[warmup:])
    return {"milliseconds": 1e3 * median, "best_milliseconds": 1e3 * min(seconds[warmup:]),
            "first_milliseconds": 1e3 * seconds[0], "tokens_per_second": batch * sequence / median,
            "first_loss": losses[0].item(), "last_loss": losses[-1].item()}
