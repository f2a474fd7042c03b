"""What the scripts in this folder share: a small real model, runs of longhaul, curves side by side."""
import csv
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUICKSTART = os.path.join(ROOT, "mpi_launch", "quickstart")
SAMPLE_ROWS = os.path.join(QUICKSTART, "agent_sample.jsonl")

# Most of it is the embedding of the real vocabulary; heads of 128 as the large models have.
SMALL_QWEN3 = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "attention_bias": False,
    "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128,
    "hidden_act": "silu", "hidden_size": 128, "initializer_range": 0.02, "intermediate_size": 512,
    "max_position_embeddings": 4096, "num_attention_heads": 4, "num_hidden_layers": 4,
    "num_key_value_heads": 2, "rms_norm_eps": 1e-6, "rope_scaling": None, "rope_theta": 1000000,
    "sliding_window": None, "tie_word_embeddings": True, "torch_dtype": "float32", "use_cache": True,
    "use_sliding_window": False, "vocab_size": 151936,
}

MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "NO_COLOR": "1",
}


def run(command, threads=1):
    """Runs a command to its end; what it printed is shown when it fails."""
    environment = {**os.environ, **MPI, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    # mpirun would change the settings of a terminal, and be stopped where it may not.
    done = subprocess.run(list(map(str, command)), env=environment, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-4000:] + done.stderr[-4000:])
        sys.exit(f"FAIL: {' '.join(map(str, command[:4]))} ... ended with {done.returncode}")
    return done.stdout


def make_model(longhaul, folder, config=None, dtype="float32", threads=1):
    """A Hugging Face directory with random weights and the Qwen3 models' tokenizer."""
    tokenizer = os.path.join(folder, "tokenizer")
    os.makedirs(tokenizer, exist_ok=True)
    with gzip.open(os.path.join(QUICKSTART, "tokenizer", "tokenizer.json.gz")) as packed, \
            open(os.path.join(tokenizer, "tokenizer.json"), "wb") as plain:
        shutil.copyfileobj(packed, plain)
    shutil.copy(os.path.join(QUICKSTART, "tokenizer", "tokenizer_config.json"), tokenizer)
    path = os.path.join(folder, "config.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config or SMALL_QWEN3, file)
    model = os.path.join(folder, "model")
    run([longhaul, "init", "--config", path, "--tokenizer", tokenizer, "--output", model, "--seed", 42,
         "--dtype", dtype, "--overwrite", "true"], threads)
    return model


def take_rows(longhaul, model, source, folder, count, max_tokens):
    """The first `count` usable rows of at most `max_tokens`: their file, and (tokens, weights) of each
    as training sees them; weights[i] is that of predicting tokens[i]."""
    rendered = run([longhaul, "data", "render", "--model", model, "--input", source, "--rows", "training"])
    with open(source, encoding="utf-8") as file:
        lines = [line for line in file if line.strip()]
    path = os.path.join(folder, "rows.jsonl")
    samples = []
    with open(path, "w", encoding="utf-8") as file:
        for line, text in zip(lines, rendered.splitlines(), strict=True):
            sample = json.loads(text)
            if len(samples) == count:
                break
            if "error" in sample or len(sample["ids"]) > max_tokens or not any(sample["weights"]):
                continue
            file.write(line if line.endswith("\n") else line + "\n")
            samples.append((sample["ids"], sample["weights"]))
    if len(samples) < count:
        sys.exit(f"FAIL: {source} has {len(samples)} usable rows of up to {max_tokens} tokens, {count} are needed")
    return path, samples


def train(longhaul, model, rows, save, flags, threads=1, ranks=1):
    """A training run; its log, one dictionary a step."""
    command = ["mpirun", "-n", ranks, longhaul, "train", "--model", model, "--dataset", rows, "--save", save]
    for name, value in flags.items():
        command += [f"--{name}", value]
    run(command, threads)
    with open(os.path.join(save, "train_log.jsonl"), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def differences(ours, theirs):
    """Relative difference of each step."""
    return [abs(a - b) / abs(b) for a, b in zip(ours, theirs, strict=True)]


def judge(name, ours, theirs, mean_limit, largest_limit):
    """Prints the verdict; True when the curves agree."""
    apart = differences(ours, theirs)
    mean, largest = statistics.fmean(apart), max(apart)
    good = mean < mean_limit and largest < largest_limit
    print(f"= {'PASS' if good else 'FAIL'} {name}: loss {ours[0]:.4f} -> {ours[-1]:.4f}, other {theirs[0]:.4f} -> "
          f"{theirs[-1]:.4f}; relative difference mean {mean:.2e} (limit {mean_limit:g}), largest {largest:.2e} "
          f"at step {apart.index(largest) + 1} (limit {largest_limit:g})", flush=True)
    return good


def write_table(path, columns):
    """columns: name -> values, one row a step."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *columns])
        for step, values in enumerate(zip(*columns.values(), strict=True), start=1):
            writer.writerow([step, *(f"{value:.7g}" for value in values)])


def plot(path, title, ours, theirs):
    """Two curves (name, losses) and their relative difference, as SVG."""
    try:
        import matplotlib
    except ImportError:
        print("  matplotlib is not there: no plot")
        return
    matplotlib.use("svg")
    from matplotlib import pyplot

    steps = range(1, len(ours[1]) + 1)
    figure, (top, bottom) = pyplot.subplots(2, 1, figsize=(8, 6), sharex=True, height_ratios=(3, 1))
    top.plot(steps, theirs[1], color="#888888", linewidth=4, alpha=0.6, label=theirs[0])
    top.plot(steps, ours[1], color="#1f6fb4", linewidth=1.5, label=ours[0])
    top.set_ylabel("loss")
    top.set_title(title)
    top.legend()
    bottom.plot(steps, [100 * d for d in differences(ours[1], theirs[1])], color="#1f6fb4", linewidth=1.2)
    bottom.set_ylabel("difference, %")
    bottom.set_xlabel("step")
    bottom.set_ylim(bottom=0)
    for axis in (top, bottom):
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)
