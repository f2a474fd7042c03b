#!/usr/bin/env python3
"""Checks that Hugging Face transformers loads an exported model and sees the tensors that the files
hold: every parameter bit for bit, none missing, none left over, none freshly initialised. Then runs
a few tokens through it.

Usage: check_export.py MODEL_DIRECTORY   (needs torch, transformers and safetensors)
"""
import json
import os
import sys

import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer


def stored_tensors(directory):
    """Tensor name -> tensor, as safetensors reads the files."""
    index = os.path.join(directory, "model.safetensors.index.json")
    files = ["model.safetensors"]
    if os.path.exists(index):
        with open(index) as file:
            content = json.load(file)
        files = sorted(set(content["weight_map"].values()))
    tensors = {}
    for name in files:
        with safe_open(os.path.join(directory, name), "pt") as file:
            for key in file.keys():
                if key in tensors:
                    sys.exit(f"{key} is in two files")
                if len(files) > 1 and content["weight_map"].get(key) != name:
                    sys.exit(f"{key} is in {name}, but the index says otherwise")
                tensors[key] = file.get_tensor(key)
    if len(files) > 1:
        total = sum(t.numel() * t.element_size() for t in tensors.values())
        if content["metadata"]["total_size"] != total:
            sys.exit(f"total_size is {content['metadata']['total_size']} instead of {total}")
        if set(content["weight_map"]) != set(tensors):
            sys.exit("the index lists other tensors than the files hold")
    return tensors


def same_bits(a, b):
    as_integers = {2: torch.int16, 4: torch.int32}[a.element_size()]
    return torch.equal(a.contiguous().view(as_integers), b.contiguous().view(as_integers))


def main(directory):
    stored = stored_tensors(directory)
    dtypes = {t.dtype for t in stored.values()}
    if len(dtypes) != 1:
        sys.exit(f"tensors of several dtypes: {dtypes}")
    dtype = dtypes.pop()
    config = AutoConfig.from_pretrained(directory)
    model, report = AutoModelForCausalLM.from_pretrained(directory, torch_dtype=dtype,
                                                         output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if report.get(kind):
            sys.exit(f"{kind}: {list(report[kind])[:5]}")
    loaded = model.state_dict()
    tied = bool(config.tie_word_embeddings)
    expected = set(stored) | ({"lm_head.weight"} if tied else set())
    if set(loaded) != expected:
        sys.exit(f"transformers has other tensors: {sorted(set(loaded) ^ expected)[:5]}")
    for name, tensor in loaded.items():
        source = stored["model.embed_tokens.weight" if tied and name == "lm_head.weight" else name]
        if tensor.dtype != dtype or tensor.shape != source.shape or not same_bits(tensor, source):
            sys.exit(f"{name} differs from the file")
    with torch.no_grad():
        logits = model(torch.arange(min(8, config.vocab_size))[None]).logits
    if not torch.isfinite(logits).all():
        sys.exit("the logits are not finite")
    tokenizer = "no tokenizer"
    if os.path.exists(os.path.join(directory, "tokenizer.json")):
        ids = AutoTokenizer.from_pretrained(directory)("Long haul: 长途").input_ids
        if max(ids) >= config.vocab_size:
            sys.exit(f"the tokenizer gives id {max(ids)}, the vocabulary has {config.vocab_size}")
        tokenizer = f"the tokenizer gives {len(ids)} tokens"
    print(f"{type(model).__name__}: {len(loaded)} tensors in {dtype} equal the files, logits are "
          f"finite, {tokenizer}")


main(sys.argv[1])
