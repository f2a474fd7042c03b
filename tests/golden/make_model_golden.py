#!/usr/bin/env python3
"""Makes tests/data/model_golden: tiny Qwen2 and Qwen3 models with the values that Hugging Face
transformers computes for them in float32 on the CPU.

For each case: config.json and model.safetensors (a model directory), and golden.safetensors with
  tokens [T] int32, lengths [documents] int32, weights [T] float32 (loss weight of predicting a token)
  logits [T, vocab], nll [T] (of predicting token i from its predecessors; 0 at document starts)
  grad.NAME  gradient of sum(weight * nll) / sum(weight) by each parameter
  losses [20], grad_norms [20]  of 20 AdamW steps on all documents: lr 1e-3, betas 0.9 and 0.95,
             eps 1e-8, weight decay 0.1 on matrices only, gradients clipped to norm 1
  trained.NAME  the parameters after those steps, of the first case only

Usage: make_model_golden.py OUTPUT_DIRECTORY   (needs torch >= 2.4 and transformers >= 4.51)
"""
import json
import os
import sys

import torch
from safetensors.torch import save_file
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

COMMON = dict(
    vocab_size=199,  # no multiple of any TP size: the vocabulary's padding is tested too
    hidden_size=48,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=8,
    num_key_value_heads=8,
    max_position_embeddings=512,
    rms_norm_eps=1e-6,
    rope_theta=10000.0,
    bos_token_id=0,
    eos_token_id=1,
    attn_implementation="eager",
)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32)

CASES = {
    "qwen2_tied": (Qwen2Config, dict(num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True)),
    "qwen2_untied": (Qwen2Config, dict(num_key_value_heads=4, tie_word_embeddings=False)),
    "qwen3_tied": (Qwen3Config, dict(num_attention_heads=4, num_key_value_heads=2, head_dim=16,
                                     tie_word_embeddings=True)),
    "qwen3_untied": (Qwen3Config, dict(num_key_value_heads=8, head_dim=8, hidden_size=40,
                                       tie_word_embeddings=False)),
    "qwen3_yarn": (Qwen3Config, dict(num_attention_heads=4, num_key_value_heads=1, head_dim=16,
                                     tie_word_embeddings=True, rope_scaling=YARN)),
    "qwen2_yarn": (Qwen2Config, dict(num_attention_heads=4, num_key_value_heads=4,
                                     tie_word_embeddings=False, rope_scaling=YARN)),
}
LENGTHS = [37, 1, 64, 5, 130, 2, 19]  # unequal documents; 130 goes past YaRN's original length


def document_losses(model, documents):
    """Per document: logits [n, V] and nll [n], nll[0] = 0."""
    for tokens in documents:
        logits = model(input_ids=tokens[None].long(), use_cache=False).logits[0]
        nll = torch.nn.functional.cross_entropy(logits[:-1].float(), tokens[1:].long(), reduction="none")
        yield logits, torch.cat([torch.zeros(1), nll])


def weighted_loss(model, documents, weights):
    total = sum((w * nll).sum() for w, (_, nll) in zip(weights, document_losses(model, documents)))
    return total / sum(w.sum() for w in weights)


def make_case(name, config_class, changes, directory):
    torch.manual_seed(sum(map(ord, name)))
    values = {**COMMON, **changes}
    attention = values.pop("attn_implementation")
    config = config_class(**values)
    config._attn_implementation = attention
    model = {Qwen2Config: Qwen2ForCausalLM, Qwen3Config: Qwen3ForCausalLM}[config_class](config).float()
    with torch.no_grad():  # norms of 1 and biases of 0 would hide mistakes
        for parameter_name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                centre = 1.0 if "norm" in parameter_name else 0.0
                parameter.copy_(centre + 0.2 * torch.randn_like(parameter))
            else:
                parameter.copy_(0.08 * torch.randn_like(parameter))

    generator = torch.Generator().manual_seed(7)
    documents = [torch.randint(0, config.vocab_size, (n,), generator=generator, dtype=torch.int32)
                 for n in LENGTHS]
    weights = []
    for index, tokens in enumerate(documents):
        weight = (torch.rand(len(tokens), generator=generator) < 0.4).float()
        weight[weight > 0] = torch.tensor([1.0, 2.0])[index % 2]
        weight[0] = 0.0
        weights.append(weight)

    os.makedirs(directory, exist_ok=True)
    state = {k: v.clone().contiguous() for k, v in model.state_dict().items()}
    if config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    save_file(state, os.path.join(directory, "model.safetensors"), metadata={"format": "pt"})
    config.architectures = [type(model).__name__]
    config.save_pretrained(directory)
    # The spelling of older releases beside the one that this release of transformers writes.
    path = os.path.join(directory, "config.json")
    with open(path) as file:
        written = json.load(file)
    if name.endswith("_untied") or name == "qwen2_yarn":
        parameters = written.pop("rope_parameters", None)
        if parameters:
            written["rope_theta"] = parameters.pop("rope_theta")
            scaled = parameters.get("rope_type", "default") != "default"
            if scaled:
                parameters["type"] = parameters.pop("rope_type")
            written["rope_scaling"] = parameters if scaled else None
        if "dtype" in written:
            written["torch_dtype"] = written.pop("dtype")
        written.pop("layer_types", None)
        with open(path, "w") as file:
            json.dump(written, file, indent=2)

    golden = {"tokens": torch.cat(documents), "lengths": torch.tensor(LENGTHS, dtype=torch.int32),
              "weights": torch.cat(weights)}
    with torch.no_grad():
        results = list(document_losses(model, documents))
    golden["logits"] = torch.cat([logits for logits, _ in results]).contiguous()
    golden["nll"] = torch.cat([nll for _, nll in results])
    weighted_loss(model, documents, weights).backward()
    for parameter_name, parameter in model.named_parameters():
        golden["grad." + parameter_name] = parameter.grad.clone()

    groups = [{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.1},
              {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8)
    losses, norms = [], []
    for _ in range(20):
        optimizer.zero_grad()
        loss = weighted_loss(model, documents, weights)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        losses.append(loss.item())
        optimizer.step()
    golden["losses"] = torch.tensor(losses)
    golden["grad_norms"] = torch.tensor(norms)
    if name == "qwen2_tied":
        for parameter_name, parameter in model.named_parameters():
            golden["trained." + parameter_name] = parameter.detach().clone()
    save_file(golden, os.path.join(directory, "golden.safetensors"))
    print(name, "parameters", sum(p.numel() for p in model.parameters()), "loss", losses[0], "->", losses[-1])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.set_num_threads(8)
    for name, (config_class, changes) in CASES.items():
        make_case(name, config_class, changes, os.path.join(sys.argv[1], name))


if __name__ == "__main__":
    main()
