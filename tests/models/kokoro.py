"""Kokoro's own classes with seeded random weights: honest about speed and memory, silent about quality."""

import json
import re
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

# The published vocabulary: runs of symbols, each after the number of its first one; numbers rise by one.
_SYMBOL_RUNS = (
    '1;:,.!?|9—…"()“” |17\u0303ʣʥʦʨᵝ\uab67AI|31O|33Q|35ST|39W|41Yᵊabcdef|'
    "50hijklmnopqrstuvwxyzɑɐɒæ|75βɔɕç|80ɖðʤə|85ɚɛɜ|90ɟ|92ɡ|99ɥ|101ɨɪʝ|110ɯɰŋɳɲɴø|"
    "118ɸθœ|123ɹ|125ɾɻ|128ʁɽʂʃʈʧ|135ʊʋ|138ʌɣɤ|142χʎ|147ʒʔ|156ˈˌː|162ʰ|164ʲ|169↓|"
    "171→↗↘|177ᵻ|"
)
VOCABULARY = {
    symbol: int(first) + offset
    for first, run in re.findall(r"(\d+)([^|]*)", _SYMBOL_RUNS)
    for offset, symbol in enumerate(run)
}

_FRAMES_A_PHONEME = 2.6
"""The pace of the published voices at normal speed."""
_VARIETY = 1.0
_DURATION_CLASSES = 50
_SAMPLE = "ði ˈOld kˈipəɹ klˈImd ðə stˈɛɹz, ænd hi lˈɪt ðə lˈæmp."
_STYLE_SPREAD = 0.2
_SEED = 20251124


class Size(NamedTuple):
    """How much of the network to build; channels that Kokoro's decoder hard-codes stay as they are."""

    albert_width: int
    albert_layers: int
    kernels: tuple[int, ...]


FULL = Size(albert_width=768, albert_layers=12, kernels=(3, 7, 11))
SMALL = Size(albert_width=48, albert_layers=1, kernels=(3,))


def configuration(size: Size) -> dict[str, Any]:
    """Return Kokoro's configuration as its repository publishes it, cut to `size`."""
    return {
        "vocab": VOCABULARY,
        "n_token": 178,
        "hidden_dim": 512,
        "style_dim": 128,
        "n_layer": 3,
        "n_mels": 80,
        "max_dur": _DURATION_CLASSES,
        "dropout": 0.2,
        "text_encoder_kernel_size": 5,
        "plbert": {
            "hidden_size": size.albert_width,
            "num_attention_heads": 12,
            "intermediate_size": size.albert_width * 8 // 3,
            "max_position_embeddings": 512,
            "num_hidden_layers": size.albert_layers,
            "dropout": 0.1,
        },
        "istftnet": {
            "upsample_rates": [10, 6],
            "upsample_kernel_sizes": [20, 12],
            "upsample_initial_channel": 512,
            "resblock_kernel_sizes": list(size.kernels),
            "resblock_dilation_sizes": [[1, 3, 5]] * len(size.kernels),
            "gen_istft_n_fft": 20,
            "gen_istft_hop_size": 5,
        },
    }


def write_model(folder: Path, size: Size) -> None:
    """Write config.json and kokoro-v1_0.pth, in the published form, under `folder`."""
    import torch  # seconds to import, as Kokoro, and only builders need them
    from kokoro import KModel

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(configuration(size), ensure_ascii=False), "utf-8")
    blank = folder / "blank.pth"
    torch.save({}, blank)
    torch.manual_seed(_SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates what Kokoro calls
        model = KModel(repo_id="hexgrad/Kokoro-82M", config=configuration(size), model=str(blank)).eval()
    blank.unlink()
    _speak_like_speech(model)
    parts = ("bert", "bert_encoder", "predictor", "decoder", "text_encoder")
    state = {
        # the published file was saved from DataParallel: every key begins with "module."
        part: {f"module.{key}": value for key, value in getattr(model, part).state_dict().items()}
        for part in parts
    }
    torch.save(state, folder / "kokoro-v1_0.pth")


def write_voice(path: Path, *, seed: int) -> None:
    """Write a voice pack: float32, shape (510, 1, 256), a style for each length in phonemes."""
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    torch.save(torch.randn(510, 1, 256, generator=generator) * _STYLE_SPREAD, path)


def _speak_like_speech(model: Any) -> None:
    """Set pace, pitch and level, which random weights would leave absurd."""
    import torch

    with torch.no_grad():
        _set_pace(model)
        pitch = model.get_submodule("predictor.F0_proj")
        pitch.bias.fill_(180.0)  # hertz
        level = model.get_submodule("decoder.generator.conv_post")
        level.bias.fill_(-3.0)  # log magnitude of the spectrum


class _HeardError(Exception):
    """Ends a pass through the network once its purpose is reached."""


def _set_pace(model: Any) -> None:
    """Let phonemes differ in length as those of speech do, around the pace of the published voices."""
    import torch

    pace = model.predictor.duration_proj.linear_layer
    # all classes lean one way; otherwise 50 random ones would even each other out
    pace.weight.copy_(pace.weight[:1].expand_as(pace.weight) * _VARIETY)
    pace.bias.zero_()
    leanings: list[Any] = []

    def listen(_module: Any, _inputs: Any, output: Any) -> None:
        leanings.append(output[..., 0].flatten())
        raise _HeardError  # the vocoder, with durations still absurd, would take a minute

    hook = pace.register_forward_hook(listen)
    generator = torch.Generator().manual_seed(_SEED)
    for _ in range(3):
        with suppress(_HeardError):
            model(_SAMPLE, torch.randn(1, 256, generator=generator) * _STYLE_SPREAD)
    hook.remove()
    low, high = -20.0, 20.0
    for _ in range(40):
        middle = (low + high) / 2
        frames = _DURATION_CLASSES * torch.sigmoid(torch.cat(leanings) + middle).mean()
        low, high = (middle, high) if frames < _FRAMES_A_PHONEME else (low, middle)
    pace.bias.fill_(low)
