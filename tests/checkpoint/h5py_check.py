"""Reads a checkpoint with h5py alone and compares every tensor with raw files written beside it.
Then checks every checksum, from what docs/checkpoint_format.md says and nothing else.

Usage: h5py_check.py STEP_FOLDER EXPECTED_FOLDER
EXPECTED_FOLDER holds for each tensor NAME a file NAME.bin with its elements (bfloat16 as 16-bit
words); '/' in names is written '#'. Prints "N tensors equal, all checksums match" and exits with 0, or says what differs.
"""
import json
import pathlib
import sys

import h5py
import numpy as np


def as_float32(words):
    """bfloat16 words as the float32 numbers that they are."""
    return (words.astype(np.uint32) << 16).view(np.float32)


def check(index, expected):
    tables = {name: index["checkpoint/" + name][()] for name in ("tensors", "slabs", "shards")}
    assert index.attrs["format"] == b"longhaul checkpoint index", index.attrs["format"]
    assert index.attrs["format_version"] == 1
    assert index.attrs["shards"] == len(tables["shards"])
    json.loads(index["checkpoint/metadata"][()])
    compared = 0
    for row in tables["tensors"]:
        path = row["path"].decode()
        dataset = index[path]
        shape = (row["size0"], row["size1"])[: row["dimensions"]]
        assert dataset.shape == tuple(shape), (path, dataset.shape, shape)
        assert dataset.is_virtual, path
        assert dataset.dtype == np.float32, (path, dataset.dtype)
        raw = (expected / (path.replace("/", "#") + ".bin")).read_bytes()
        bfloat16 = row["dtype"] == b"bfloat16"
        want = as_float32(np.frombuffer(raw, np.uint16)) if bfloat16 else np.frombuffer(raw, np.float32)
        got = dataset[()].reshape(-1)
        # Converting, HDF5 keeps a NaN a NaN but not its payload; everything else is exact.
        same = (got.view(np.uint32) == want.view(np.uint32)) | (np.isnan(got) & np.isnan(want))
        assert same.all(), (path, int((~same).sum()), "elements differ")
        if bfloat16:  # the raw words, through the low-level interface
            words = np.empty(dataset.shape, np.uint16)
            dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, words, mtype=dataset.id.get_type())
            assert words.tobytes() == raw, (path, "raw words differ")
        compared += 1
    return compared


def make_crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = make_crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def check_seal(step):
    text = (step / "seal.txt").read_bytes()
    lines = text.decode().splitlines()
    assert lines[0] == "longhaul-checkpoint 1", lines[0]
    fields = dict(line.split(" ", 1) for line in lines[1:])
    size, crc = fields["index"].split()
    index = (step / "index.h5").read_bytes()
    assert len(index) == int(size) and crc32c(index) == int(crc, 16), "index.h5"
    assert crc32c(text[: text.rindex(b"seal ")]) == int(fields["seal"], 16), "seal.txt"


def check_shards(step, index):
    tensors, slabs = index["checkpoint/tensors"][()], index["checkpoint/slabs"][()]
    for number, shard in enumerate(index["checkpoint/shards"][()]):
        content = (step / shard["file"].decode()).read_bytes()
        assert len(content) == shard["bytes"], shard["file"]
        outside, at = b"", 0
        for slab in sorted(slabs[slabs["shard"] == number], key=lambda slab: slab["file_offset"]):
            width = {b"bfloat16": 2, b"float32": 4}[tensors[slab["tensor"]]["dtype"]]
            begin = int(slab["file_offset"])
            end = begin + int(slab["extent0"]) * int(slab["extent1"]) * width
            assert crc32c(content[begin:end]) == slab["crc32c"], (shard["file"], slab)
            outside += content[at:begin]
            at = end
        assert crc32c(outside + content[at:]) == shard["metadata_crc32c"], shard["file"]
        with h5py.File(step / shard["file"].decode(), "r") as opened:
            for name in ("checkpoint_id", "step", "shards", "format_version"):
                assert opened.attrs[name] == index.attrs[name], (shard["file"], name)
            assert opened.attrs["shard"] == number


def main():
    step, expected = map(pathlib.Path, sys.argv[1:])
    check_seal(step)
    with h5py.File(step / "index.h5", "r") as index:
        count = check(index, expected)
        check_shards(step, index)
    print(count, "tensors equal, all checksums match")


if __name__ == "__main__":
    main()
