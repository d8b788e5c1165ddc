"""What the dtypes of safetensors files are called in torch."""

import torch

TORCH_DTYPE = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
