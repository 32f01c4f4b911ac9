"""A small stand-in for spaCy's en_core_web_sm: its name, its form and its tags, trained on a page of text."""

import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

NAME = "en_core_web_sm"
VERSION = "3.8.0"
WHEEL = f"{NAME}-{VERSION}-py3-none-any.whl"

_WIDTH = 64
_NETWORK = {"width": _WIDTH, "depth": 2, "embed_size": 500, "window_size": 1, "maxout_pieces": 2}
_INIT = f"""from spacy.util import load_model_from_init_py

__version__ = "{VERSION}"


def load(**overrides):
    return load_model_from_init_py(__file__, **overrides)
"""
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
    pipeline = folder / "pipeline"
    pipeline.mkdir(parents=True)
    _trained().to_disk(pipeline)
    inner, info = f"{NAME}/{NAME}-{VERSION}", f"{NAME}-{VERSION}.dist-info"
    files = {
        f"{NAME}/meta.json": (pipeline / "meta.json").read_text("utf-8"),
        f"{NAME}/__init__.py": _INIT,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    wheel = folder / WHEEL
    with zipfile.ZipFile(wheel, "w") as packed:
        for path in sorted(path for path in pipeline.rglob("*") if path.is_file()):
            packed.write(path, f"{inner}/{path.relative_to(pipeline)}")
        for name, content in files.items():
            packed.writestr(name, content)
    return wheel


def _trained() -> Any:
    import spacy  # a second to import
    from spacy.tokens import Doc
    from spacy.training import Example

    random.seed(1)
    np.random.seed(1)  # noqa: NPY002  # the generator that thinc draws from
    nlp = spacy.blank("en")
    nlp.meta.update(name="core_web_sm", version=VERSION)
    embedding = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "subword_features": True,
        "pretrained_vectors": None,
    }
    nlp.add_pipe("tok2vec", config={"model": {**embedding, **_NETWORK}})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": _WIDTH, "upstream": "*"}
    nlp.add_pipe("tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}})
    examples = []
    for line in _TAGGED.strip().splitlines():
        words, tags = zip(*(token.rsplit("/", 1) for token in line.split()), strict=True)
        examples.append(Example.from_dict(Doc(nlp.vocab, words=words), {"words": words, "tags": tags}))
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    return nlp
