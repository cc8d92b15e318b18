"""The text tower without the padding behind a text.

A prompt has some twenty tokens of its context's 77, and open_clip computes them all. In a causal transformer no
position sees a later one, and CLIP's embedding is that of the last token's position: what stands behind it changes
nothing but the time.
"""

import open_clip
import torch
from open_clip.transformer import text_global_pool
from torch import Tensor


def encode_texts(model: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """As `model.encode_text(tokens)`, int64 [P, context] -> [P, D], in the time of the longest text among them."""
    # The end-of-text token has the highest id: that is how CLIP finds it ("argmax"), and where the text ends.
    if type(model) is not open_clip.CLIP or model.text_pool_type != "argmax" or model.attn_mask is None:
        whole: Tensor = model.encode_text(tokens, normalize=False)
        return whole
    length = int(tokens.argmax(dim=-1).max()) + 1
    tokens, mask = tokens[:, :length], model.attn_mask[:length, :length]
    dtype: torch.dtype = model.transformer.get_cast_dtype()
    states = model.token_embedding(tokens).to(dtype) + model.positional_embedding[:length].to(dtype)
    states = model.ln_final(model.transformer(states, attn_mask=mask))
    pooled: Tensor = text_global_pool(states, tokens, model.text_pool_type)
    projection = model.text_projection
    if projection is None:
        return pooled
    projected: Tensor = projection(pooled) if isinstance(projection, torch.nn.Linear) else pooled @ projection
    return projected
