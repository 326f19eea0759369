"""PyTorch modules of components that torch.nn has no class for. They import torch alone: each can stand in a file."""
