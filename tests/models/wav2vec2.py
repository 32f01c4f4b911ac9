"""wav2vec2, the network that WhisperX aligns with: seeded random weights, both forms it loads."""

import json
import warnings
from pathlib import Path

import torch

# The 29 labels that torchaudio's English bundles, and the published English models, emit: blank first.
LABELS = ("-", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")
BUNDLE_FILE = "wav2vec2_fairseq_base_ls960_asr_ls960.pth"
_SEED = 20251124
_WIDTH = 32
"""Of the small network."""


def write_bundle(path: Path) -> None:
    """Write wav2vec2-base at its full 94.4 M parameters, as torchaudio's WAV2VEC2_ASR_BASE_960H has it."""
    import torchaudio  # seconds to import

    path.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(_SEED)
    model = torchaudio.models.wav2vec2_base(aux_num_out=len(LABELS))
    state = model.state_dict()
    # the published file has three more labels, of fairseq, which torchaudio cuts out: after the blank
    for key in ("aux.weight", "aux.bias"):
        value = state[key]
        state[key] = torch.cat([value[:1], torch.zeros(3, *value.shape[1:]), value[1:]])
    torch.save(state, path)


def write_folder(folder: Path) -> None:
    """Write a small wav2vec2 in the form of a model repository: configuration, weights, vocabulary."""
    from transformers import (  # seconds to import
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    folder.mkdir(parents=True, exist_ok=True)
    names = ("<pad>", *LABELS[1:], "<s>", "</s>", "<unk>")
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}), "utf-8")
    torch.manual_seed(_SEED)
    config = Wav2Vec2Config(
        vocab_size=len(names),
        hidden_size=_WIDTH,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=_WIDTH * 2,
        conv_dim=(_WIDTH,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        pad_token_id=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers' own use of torch
        Wav2Vec2ForCTC(config).save_pretrained(folder)
        extractor = Wav2Vec2FeatureExtractor(return_attention_mask=False)
        tokenizer = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
        Wav2Vec2Processor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(folder)
