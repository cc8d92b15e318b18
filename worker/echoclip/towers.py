"""The two towers of a pack's model: frames and prompts become embeddings."""

from collections.abc import Sequence
from typing import Literal

import torch
from safetensors import SafetensorError
from torch import Tensor

from config.errors import ConfigurationError, ModelPackError
from worker.echoclip.torchvision_compat import make_torchvision_importable
from worker.packs.folder import ModelPack
from worker.packs.manifest import CONFIGURATION, WEIGHTS

make_torchvision_importable()
import open_clip  # noqa: E402  needs torchvision to be importable

FRAMES_AT_ONCE = 32
PROMPTS_AT_ONCE = 64
PRECISIONS: dict[torch.dtype, str] = {torch.float32: "fp32", torch.bfloat16: "bf16"}
"""open_clip's names; its bf16 keeps the norms in float32."""


class Towers:
    """A model on its device, ready to embed. Nothing is ever fetched: all that it needs is in the pack."""

    def __init__(
        self,
        pack: ModelPack,
        *,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
    ) -> None:
        """Load the weights; `auto` takes a GPU with bfloat16 where there is one, else the CPU with float32.

        Raises
        ------
        ModelPackError
            The weights do not fit the configuration: each tensor must be there, with its shape.
        ConfigurationError
            `cuda` was asked for and there is none.
        """
        self.device = _device(device)
        self._type = _type(precision, self.device)
        self._model = _model(pack, self.device, PRECISIONS[self._type])
        self._tokenizer = open_clip.get_tokenizer(f"local-dir:{pack.folder}")
        # Folded into one multiplication and one addition over samples in 0..255.
        mean, std = (torch.tensor(v, device=self.device)[:, None, None] for v in _normalisation(pack))
        self._scale, self._shift = 1 / (255 * std), -mean / std

    @torch.inference_mode()
    def embed_frames(self, frames: Tensor) -> Tensor:
        """Embed frames, uint8 [T, H, W, 3] RGB, one by one: float32 [T, D] on the CPU, L2-normalised."""
        embedded = [self._embed_images(batch) for batch in frames.split(FRAMES_AT_ONCE)]
        return torch.cat(embedded)

    @torch.inference_mode()
    def embed_prompts(self, prompts: Sequence[str]) -> Tensor:
        """Embed texts: float32 [P, D] on the CPU, L2-normalised."""
        tokens = self._tokenizer(list(prompts)).split(PROMPTS_AT_ONCE)
        embedded = [self._model.encode_text(batch.to(self.device), normalize=False) for batch in tokens]
        return _unit_length(torch.cat(embedded))

    def tokenize(self, prompts: Sequence[str]) -> Tensor:
        """What the text tower is given: int64 [P, context], padded with 0."""
        return torch.as_tensor(self._tokenizer(list(prompts)))

    def _embed_images(self, frames: Tensor) -> Tensor:
        images = frames.to(self.device).permute(0, 3, 1, 2).float() * self._scale + self._shift
        return _unit_length(self._model.encode_image(images.to(self._type), normalize=False))


def _unit_length(embeddings: Tensor) -> Tensor:
    # In float32 whatever the towers computed in: a norm in bfloat16 is off by up to half a percent.
    return torch.nn.functional.normalize(embeddings.float(), dim=-1).cpu()


def _device(wanted: str) -> torch.device:
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ConfigurationError(
            "model.device is cuda, but torch finds no GPU: install torch's CUDA build, or use auto"
        )
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def _type(wanted: str, device: torch.device) -> torch.dtype:
    if wanted == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return torch.bfloat16 if wanted == "bfloat16" else torch.float32


def _model(pack: ModelPack, device: torch.device, precision: str) -> open_clip.CLIP:
    try:
        model = open_clip.create_model(
            f"local-dir:{pack.folder}", precision=precision, device=device, require_pretrained=True
        )
    except (SafetensorError, RuntimeError, ValueError, TypeError, KeyError, AssertionError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise ModelPackError(
            f"model pack {pack.folder}: {WEIGHTS} does not fit {CONFIGURATION}: {first_line}"
        ) from error
    return model.eval()


def _normalisation(pack: ModelPack) -> tuple[Sequence[float], Sequence[float]]:
    return pack.normalisation.mean, pack.normalisation.std
