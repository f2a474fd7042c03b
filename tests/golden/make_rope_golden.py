#!/usr/bin/env python3
"""Makes tests/data/rope_golden.json: rotary frequencies and attention factors as Hugging Face
transformers computes them, for configurations with and without YaRN.

transformers' own function does the work; it needs four functions of torch, for which NumPy float32
stands in here, so that no torch has to be installed. (torch's float32 power may differ from NumPy's
in the last bit: the test allows for two units in the last place.)

Usage: make_rope_golden.py OUTPUT.json   (needs transformers 4.57 or a later 4.x, and numpy)
"""
import json
import sys
import types

import numpy as np
import transformers.modeling_rope_utils as rope
from transformers import Qwen2Config, Qwen3Config


class Tensor(np.ndarray):
    """A float32 array with the one torch method that the function calls."""

    def to(self, device=None, dtype=None):
        return self.astype(dtype or np.float32).view(Tensor)


def arange(*bounds, dtype=np.int64):
    return np.arange(*bounds).astype(dtype).view(Tensor)


def float32_scalars(function):
    """Python numbers beside float32 tensors count as float32, as in torch (NumPy 2 does so too)."""
    return lambda *arguments: function(*arguments).astype(np.float32).view(Tensor)


rope.torch = types.SimpleNamespace(
    arange=arange, float=np.float32, float32=np.float32, clamp=float32_scalars(np.clip))

SIZES = dict(hidden_size=1024, intermediate_size=64, num_hidden_layers=1, num_attention_heads=8,
             num_key_value_heads=2, vocab_size=128)
QWEN3 = dict(SIZES, head_dim=128)

# name: (configuration class, keys beside the sizes)
CASES = {
    "plain_1e4": (Qwen2Config, dict(rope_theta=10000.0)),
    "plain_1e6": (Qwen3Config, dict(rope_theta=1000000)),
    "plain_5e6": (Qwen3Config, dict(rope_theta=5000000, max_position_embeddings=262144)),
    "plain_head_64": (Qwen3Config, dict(head_dim=64, rope_theta=1000000.0)),
    "yarn_type": (Qwen2Config, dict(rope_theta=1000000.0, max_position_embeddings=32768, rope_scaling={
        "factor": 4.0, "original_max_position_embeddings": 32768, "type": "yarn"})),
    "yarn_rope_type": (Qwen3Config, dict(rope_theta=1000000, max_position_embeddings=131072, rope_scaling={
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768})),
    "yarn_factor_not_the_ratio": (Qwen3Config, dict(
        rope_theta=1000000, max_position_embeddings=40960, rope_scaling={
            "rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 32768})),
    "yarn_no_original": (Qwen3Config, dict(rope_theta=1000000, max_position_embeddings=32768,
                                           rope_scaling={"rope_type": "yarn", "factor": 2.5})),
    "yarn_no_truncation": (Qwen3Config, dict(rope_theta=1000000.0, rope_scaling={
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768,
        "truncate": False})),
    "yarn_attention_factor": (Qwen3Config, dict(rope_theta=1000000.0, rope_scaling={
        "rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 32768,
        "attention_factor": 0.75})),
    "yarn_mscale": (Qwen3Config, dict(rope_theta=1000000.0, rope_scaling={
        "rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 32768,
        "mscale": 0.707, "mscale_all_dim": 1.3})),
    "yarn_mscale_alone": (Qwen3Config, dict(rope_theta=1000000.0, rope_scaling={
        "rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 32768,
        "mscale": 0.707, "mscale_all_dim": 0})),
    "yarn_betas": (Qwen3Config, dict(rope_theta=50000.0, rope_scaling={
        "rope_type": "yarn", "factor": 16.0, "original_max_position_embeddings": 4096,
        "beta_fast": 24.0, "beta_slow": 2.0})),
    "yarn_tiny_original": (Qwen3Config, dict(rope_theta=10000.0, head_dim=16,
                                             max_position_embeddings=512, rope_scaling={
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32})),
    "yarn_factor_1": (Qwen3Config, dict(rope_theta=1000000.0, rope_scaling={
        "rope_type": "yarn", "factor": 1.0, "original_max_position_embeddings": 32768})),
}


def plain(config):
    """The formula in the models' own rotary embedding class."""
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return 1.0 / (config.rope_theta ** (arange(0, dim, 2, dtype=np.float32) / dim)), 1.0


def main():
    cases = {}
    for name, (config_class, keys) in CASES.items():
        sizes = SIZES if config_class is Qwen2Config else QWEN3
        config = config_class(**{**sizes, **json.loads(json.dumps(keys))})
        if config.rope_scaling:
            inverse, factor = rope.ROPE_INIT_FUNCTIONS["yarn"](config, None)
        else:
            inverse, factor = plain(config)
        written = {**sizes, **keys, "model_type": config.model_type}
        cases[name] = {"config": written, "attention_factor": float(factor),
                       "inverse": [float(x) for x in np.asarray(inverse, dtype=np.float32)]}
    with open(sys.argv[1], "w") as file:
        file.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in cases.items())
                   + "\n}\n")


main()
