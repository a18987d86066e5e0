"""PyTorch: safetensors, and what `torch.save` and `torch.jit.save` write, whose pickles are read but never executed."""
