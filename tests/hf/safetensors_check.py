"""The Python side of python_test.cpp: the safetensors package writes files for our reader and reads
files of our writer; transformers, where installed, reads a configuration that we wrote.

Usage: safetensors_check.py write FILE
       safetensors_check.py read DIRECTORY
       safetensors_check.py config DIRECTORY
"""
import ctypes
import json
import os
import sys

import safetensors

# name, dtype in Python's spelling, in the format's spelling, shape
TENSORS = [("embed", "bfloat16", "BF16", [50, 3]), ("norm", "float32", "F32", [7]),
           ("half", "float16", "F16", [5, 5]), ("one", "float32", "F32", [1])]
SIZES = {"bfloat16": 2, "float16": 2, "float32": 4}


def pattern(k, shape, size):
    count = size
    for n in shape:
        count *= n
    return bytes((i * 7 + k * 13 + i // 251) & 0xFF for i in range(count))


def write(path):
    tensors, buffers = {}, []
    for k, (name, dtype, _, shape) in enumerate(TENSORS):
        data = pattern(k, shape, SIZES[dtype])
        if hasattr(safetensors, "TensorSpec"):  # release 0.8 and later take addresses
            buffers.append(ctypes.create_string_buffer(data, len(data)))
            tensors[name] = safetensors.TensorSpec(
                dtype=dtype, shape=shape, data_ptr=ctypes.addressof(buffers[-1]), data_len=len(data))
        else:
            tensors[name] = {"dtype": dtype, "shape": shape, "data": data}
    safetensors.serialize_file(tensors, path, {"format": "pt"})


def read(directory):
    index = os.path.join(directory, "model.safetensors.index.json")
    if os.path.exists(index):
        with open(index) as file:
            content = json.load(file)
        files = sorted(set(content["weight_map"].values()))
    else:
        content, files = None, ["model.safetensors"]
    found = {}
    for name in files:
        path = os.path.join(directory, name)
        with safetensors.safe_open(path, "np") as file:
            assert file.metadata() == {"format": "pt"}, file.metadata()
        with open(path, "rb") as file:
            for tensor, entry in safetensors.deserialize(file.read()):
                assert tensor not in found
                assert content is None or content["weight_map"][tensor] == name
                found[tensor] = entry
    assert len(found) == len(TENSORS), sorted(found)
    for k, (name, dtype, spelled, shape) in enumerate(TENSORS):
        entry = found[name]
        assert entry["dtype"] == spelled and entry["shape"] == shape, entry
        assert bytes(entry["data"]) == pattern(k, shape, SIZES[dtype]), name
    if content is not None:
        total = sum(len(entry["data"]) for entry in found.values())
        assert content["metadata"]["total_size"] == total
    print(f"{len(found)} tensors in {len(files)} files equal")


def config(directory):
    try:
        os.environ["TRANSFORMERS_VERBOSITY"] = "error"
        os.environ["HF_HUB_OFFLINE"] = "1"
        from transformers import AutoConfig
    except ImportError:
        print("no transformers")
        return
    loaded = AutoConfig.from_pretrained(directory)
    dtype = getattr(loaded, "dtype", None)
    dtype = loaded.torch_dtype if dtype is None else dtype  # the name before release 4.56
    print(type(loaded).__name__, loaded.hidden_size, loaded.head_dim, str(dtype).split(".")[-1],
          loaded.architectures[0])


{"write": write, "read": read, "config": config}[sys.argv[1]](sys.argv[2])
