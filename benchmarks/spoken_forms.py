"""
How many written forms are said as expected, by class and engine.

A case counts if the phonemes of its written form equal those of its spoken form by the same pronouncer;
stress, pauses and "and" are set aside. Cases: tests/data/spoken-forms, or the .tsv files (written form, tab,
spoken form) of a folder that is given. It cannot show whether the expectation is what a listener would want,
nor how the phonemes sound.

    python -m benchmarks.spoken_forms [FOLDER] [--failures]
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from app.errors import MissingExtraError
from app.speech.pronounce import Pronounce, pronouncing
from app.text.lexicon import NO_LEXICON

_CASES = Path("tests/data/spoken-forms")
_ASIDE = str.maketrans("", "", ';:,.!?\u2014\u2026"()\u201c\u201d\u02c8\u02cc\u02d0')
_AND = frozenset(["\u00e6nd", "\u0259nd", "\u0259n", "\u0250nd", "and"])


def main() -> None:
    """Print the share of each class, and with --failures the cases that fail."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=_CASES)
    parser.add_argument("--failures", action="store_true", help="print the cases that fail")
    arguments = parser.parse_args()
    cases = [*_read(arguments.folder)]
    for engine in ("espeak", "kokoro"):
        try:
            with pronouncing(engine, voice="af_heart", models_dir=_models()) as say:
                _report(engine, cases, say, failures=arguments.failures)
        except MissingExtraError as error:
            print(f"{engine}: left out, {error.message}")


def _read(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (class, written form, spoken form)."""
    for path in sorted(folder.glob("*.tsv")):
        for line in path.read_text("utf-8").splitlines():
            if line.strip():
                written, spoken = line.replace("\\n", "\n").split("\t")
                yield path.stem, written, spoken


def _report(engine: str, cases: list[tuple[str, str, str]], say: Pronounce, *, failures: bool) -> None:
    total, good = Counter[str](), Counter[str]()
    for kind, written, spoken in cases:
        total[kind] += 1
        got, expected = (say(text, NO_LEXICON).phonemes for text in (written, spoken))
        if _bare(got) == _bare(expected):
            good[kind] += 1
        elif failures:
            print(f"  {kind}: {written!a} -> {got}, expected {expected}")
    for kind, count in total.items():
        print(f"  {kind:14} {good[kind]:3} of {count:3}  {good[kind] / count:5.0%}")
    share = good.total() / total.total()
    print(f"{engine}: {good.total()} of {total.total()} written forms are said as expected, {share:.1%}")


def _bare(phonemes: str) -> str:
    words = (word.translate(_ASIDE) for word in phonemes.split())
    return "".join(word for word in words if word not in _AND)


def _models() -> Path:
    from tests.models.library import models_folder  # noqa: PLC0415  # of the tests: builds on first use

    return models_folder("small")


if __name__ == "__main__":
    main()
