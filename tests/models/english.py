"""A small stand-in for spaCy's en_core_web_sm: its name, its form and its tags, trained on a page of text."""

import json
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

NAME = "en_core_web_sm"
VERSION = "3.8.0"
WHEEL = f"{NAME}-{VERSION}-py3-none-any.whl"

_NETWORK: dict[str, Any] = {
    "width": 64,
    "depth": 2,
    "embed_size": 500,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
    "pretrained_vectors": None,
}
# Penn Treebank tags, written by hand for these sentences alone.
_TAGGED = """
The/DT old/JJ keeper/NN climbed/VBD the/DT stairs/NNS ,/, and/CC he/PRP lit/VBD the/DT lamp/NN ./.
"/`` I/PRP do/VBP n't/RB know/VB ,/, "/'' said/VBD Anna/NNP ;/: "/`` it/PRP was/VBD cold/JJ !/. "/''
On/IN 12/CD May/NNP 1987/CD they/PRP paid/VBD $/$ 3.50/CD for/IN loaves/NNS (/-LRB- bread/NN )/-RRB- ./.
We/PRP can/MD go/VB to/TO the/DT sea/NN :/: the/DT wind/NN is/VBZ calm/JJ --/: is/VBZ it/PRP not/RB ?/.
She/PRP has/VBZ been/VBN singing/VBG softly/RB in/IN the/DT garden/NN of/IN Mr./NNP Brown/NNP ./.
Dogs/NNS and/CC cats/NNS ,/, 1,000/CD of/IN them/PRP ,/, ran/VBD down/RP an/DT empty/JJ street/NN …/:
"""


def write_wheel(folder: Path) -> Path:
    """Write the wheel into `folder` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    pipeline = folder / "pipeline"
    _trained().to_disk(pipeline)
    inner = f"{NAME}/{NAME}-{VERSION}"
    meta = json.loads((pipeline / "meta.json").read_text("utf-8"))
    wheel = folder / WHEEL
    with zipfile.ZipFile(wheel, "w") as packed:
        for path in sorted(pipeline.rglob("*")):
            if path.is_file():
                packed.write(path, f"{inner}/{path.relative_to(pipeline)}")
        packed.writestr(f"{NAME}/meta.json", json.dumps(meta))
        packed.writestr(
            f"{NAME}/__init__.py",
            "from pathlib import Path\n\nfrom spacy.util import load_model_from_init_py\n\n"
            f'__version__ = "{VERSION}"\n\n\ndef load(**overrides):\n'
            "    return load_model_from_init_py(__file__, **overrides)\n",
        )
        info = f"{NAME}-{VERSION}.dist-info"
        packed.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n")
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{info}/RECORD", "")
    return wheel


def _trained() -> Any:
    import spacy  # a second to import
    from spacy.training import Example

    random.seed(1)
    np.random.seed(1)  # noqa: NPY002  # the generator that thinc draws from
    nlp = spacy.blank("en")
    nlp.meta.update(name="core_web_sm", version=VERSION)
    nlp.add_pipe("tok2vec", config={"model": {"@architectures": "spacy.HashEmbedCNN.v2", **_NETWORK}})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": _NETWORK["width"], "upstream": "*"}
    nlp.add_pipe("tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}})
    examples = [_example(nlp, line, Example) for line in _TAGGED.strip().splitlines()]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    return nlp


def _example(nlp: Any, line: str, example: Any) -> Any:
    from spacy.tokens import Doc

    pairs = [token.rsplit("/", 1) for token in line.split()]
    words = [word for word, _ in pairs]
    return example.from_dict(Doc(nlp.vocab, words=words), {"words": words, "tags": [tag for _, tag in pairs]})
