"""What is often taken for a model: files of other kinds, by their first bytes, each named for what it is."""

from __future__ import annotations

import re

# What starts a file that is often taken for a model, and what to say of it. Sources: the formats' own specifications.
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the model itself; fetch it with `git lfs pull`"),
    (b"model_checkpoint_path:", "a list of checkpoints, not one itself; give its directory"),
    (b"\x93NUMPY", "a NumPy .npy array"),
    (b"\x1f\x8b", "gzip-compressed; unpack it first"),
    (b"BZh", "bzip2-compressed; unpack it first"),
    (b"\xfd7zXZ", "xz-compressed; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"GGUF", "a GGUF file"),
    (b"%PDF", "a PDF document"),
    (b"CDF\x01", "a netCDF file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\x7fELF", "a program"),
)
PICKLES = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
_TORCH_PICKLE = re.compile(rb"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19\.")  # torch.save before its zip format
_MARKUP = re.compile(rb"\s*<(!doctype html|html|\?xml|head|body)", re.IGNORECASE)
_ONNX = re.compile(rb"\x08[\x03-\x20]\x12[\x01-\x40][\x20-\x7e]{1,64}")  # ir_version, then the producer's name
_SAFETENSORS = re.compile(rb".{6}\x00\x00\{\"", re.DOTALL)


def name(head: bytes) -> str | None:
    """What the file is that begins with HEAD, and what to do; None where it is none of these."""
    for start, words in _FOREIGN:
        if head.startswith(start):
            return words
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model; lstmdump reads the Keras or TensorFlow model it was made from"
    if _TORCH_PICKLE.match(head):
        return "a PyTorch file (a pickle); lstmdump reads Keras and TensorFlow models"
    if head.startswith(PICKLES):
        return "a Python pickle, which is never unpickled here; save the model itself"
    if _MARKUP.match(head):
        return "an HTML page, not the model; the download went wrong"
    if _ONNX.match(head):
        return "an ONNX model; lstmdump reads Keras and TensorFlow models"
    if _SAFETENSORS.match(head):
        return "a safetensors file; lstmdump reads Keras and TensorFlow models"
    return None
