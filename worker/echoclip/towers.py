"""The two towers of a pack's model: frames and prompts become embeddings."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from config.errors import ModelPackError
from worker.echoclip.batches import Batches
from worker.echoclip.gpu import OneShape, Upload, cuda_graph
from worker.echoclip.precision import Device, Precision, chosen_device, chosen_precision
from worker.echoclip.template.tokenizer import TemplateTokenizer
from worker.echoclip.template.vocabulary import TemplateVocabulary
from worker.echoclip.torchvision_compat import make_torchvision_importable
from worker.echoclip.weights import load_model
from worker.packs.folder import ModelPack

make_torchvision_importable()
import open_clip  # noqa: E402  needs torchvision to be importable

from worker.echoclip.acceleration import accelerated  # noqa: E402  timm, likewise
from worker.echoclip.texts import encode_texts  # noqa: E402

FRAMES_AT_ONCE = {"cpu": 4, "cuda": 64}
"""On a CPU ConvNeXt-Base's largest tensor is then 26 MB: glibc gives every one above 32 MB fresh pages to be filled."""
PROMPTS_AT_ONCE = 64


class Towers:
    """A model on its device, ready to embed. Nothing is ever fetched: all that it needs is in the pack."""

    device: torch.device
    precision: torch.dtype
    model: open_clip.CLIP
    """As open_clip made it, on the device, in evaluation mode; its weights take no gradients, its activations may."""
    heat_map_stage: int
    """The stage of the image tower's trunk that the pack has heat maps read from: -1 is the last."""

    def __init__(self, pack: ModelPack, *, device: Device = "auto", precision: Precision = "auto") -> None:
        """Load the weights; `auto` takes a GPU where there is one, and bfloat16 where that is faster (precision.py).

        Raises
        ------
        ModelPackError
            The weights do not fit the configuration: each tensor must be there, with its shape.
        ConfigurationError
            `cuda` was asked for and there is none.
        """
        self.device = chosen_device(device)
        self.precision = chosen_precision(precision, self.device)
        self.model = load_model(pack, device=self.device, precision=self.precision)
        self.model.visual.to(memory_format=torch.channels_last)  # the convolutions; linear layers have no such order
        self._tokenizer = _tokenizer(pack)
        # Folded into one multiplication and one addition over samples in 0..255.
        mean, std = (torch.tensor(v, device=self.device) for v in (pack.normalisation.mean, pack.normalisation.std))
        self._scale, self._shift = 1 / (255 * std), -mean / std
        self._size = pack.image_size
        self.heat_map_stage = pack.heat_map_stage
        self._frames_at_once = Batches(FRAMES_AT_ONCE[self.device.type])
        self._prompts_at_once = Batches(PROMPTS_AT_ONCE)
        self._image_tower = self.model.visual
        self._embed_images = self._on_gpu() if self.device.type == "cuda" else self._on_cpu()

    @torch.inference_mode()
    def embed_frames(self, frames: Tensor) -> Tensor:
        """Embed frames, uint8 [T, H, W, 3] RGB, one by one: float32 [T, D] on the CPU, L2-normalised."""
        return self.embed_clips([frames])[0]

    @torch.inference_mode()
    def embed_clips(self, clips: Sequence[Tensor]) -> list[Tensor]:
        """Embed the frames of clips, uint8 [T, H, W, 3] RGB each: float32 [T, D] each, on the CPU, L2-normalised.

        Batches run across the clips, which may be of several studies: the more there are, the fuller the batches.
        """
        if not clips:
            return []
        embedded = _unit_length(self._frames_at_once.run(self._embed_images, clips))
        return list(embedded.split([len(clip) for clip in clips]))

    @torch.inference_mode()
    def embed_prompts(self, prompts: Sequence[str]) -> Tensor:
        """Embed texts: float32 [P, D] on the CPU, L2-normalised."""
        return _unit_length(self._prompts_at_once.run(self._embed_tokens, [self.tokenize(prompts)]))

    def tokenize(self, prompts: Sequence[str]) -> Tensor:
        """What the text tower is given: int64 [P, context], padded with 0."""
        return torch.as_tensor(self._tokenizer(list(prompts)))

    def images(self, frames: Tensor) -> Tensor:
        """What the image tower is given, but for the precision: frames uint8 [T, H, W, 3] -> float32 [T, 3, h, w].

        Normalised, on the device, in channels-last order; averaged down to the model's own size where that is a whole
        part of the frames'.
        """
        images = (frames.to(self.device).float() * self._scale + self._shift).permute(0, 3, 1, 2)
        return avg_pool2d(images, images.shape[-1] // self._size) if images.shape[-1] > self._size else images

    def _embed_tokens(self, tokens: Tensor) -> Tensor:
        return encode_texts(self.model, tokens.to(self.device))

    def _tower(self, frames: Tensor) -> Tensor:
        embedded: Tensor = self._image_tower(self.images(frames).to(self.precision))
        return embedded

    def _on_cpu(self) -> Callable[[Tensor], Tensor]:
        self._image_tower = accelerated(self.model.visual, self.precision) or self.model.visual
        return self._tower

    def _on_gpu(self) -> Callable[[Tensor], Tensor]:
        upload, tower = Upload(self.device), OneShape(self._tower, cuda_graph)
        return lambda frames: tower(upload(frames), self._frames_at_once.size)


def _tokenizer(pack: ModelPack) -> Callable[[list[str]], Tensor]:
    """What turns texts into the numbers that the pack's text tower was trained with: int64 [P, context]."""
    if pack.vocabulary_folder is not None:
        return TemplateTokenizer(TemplateVocabulary.read(pack.vocabulary_folder), pack.context_length)
    if pack.lacks_vocabulary:
        return partial(_refuse, pack)
    tokenizer: Callable[[list[str]], Tensor] = open_clip.get_tokenizer(f"local-dir:{pack.folder}")
    return tokenizer


def _refuse(pack: ModelPack, _: list[str]) -> Tensor:
    raise ModelPackError(
        f"model pack {pack.folder}: its text tower reads template tokens, and the pack has no vocabulary; import it "
        "once more with --also and the folder that has the vocabulary"
    )


def _unit_length(embeddings: Tensor) -> Tensor:
    # In float32 whatever the towers computed in: a norm in bfloat16 is off by up to half a percent.
    return torch.nn.functional.normalize(embeddings.float(), dim=-1).cpu()
