"""PyTorch modules for components without a class in torch.nn. They import only torch, so that each can be printed."""
