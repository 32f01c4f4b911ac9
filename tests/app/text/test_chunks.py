"""Text is cut into chunks without losing a character, at the best places, lazily and in linear time."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.text.chunks import TINY_WORDS, Chunk, chunks
from app.text.headings import Heading
from app.text.spans import Boundary
from tests.hard_to_say import hard_lines

TRICKY = (
    " \n\n\t\r.,!?:;\N{EM DASH}-\"'()*\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}abXY12"
    "\u3000\u3002\u3001\u300c\u300d\u3042\u30fc\u4e16\u0301\u200d\u2028\u2029\xa0"
)
texts = st.text(
    alphabet=st.one_of(st.sampled_from(TRICKY), st.characters(exclude_categories=["Cs"])), max_size=300
)


def cut(source: str, limit: int = 300, *, first_limit: int = 0) -> list[Chunk]:
    """All chunks of a text measured in characters."""
    return [*chunks(source, measure=len, limit=limit, first_limit=first_limit)]


def words(source: str) -> list[str]:
    """The words of a text."""
    return [chunk.text[w.span.start : w.span.end] for chunk in cut(source) for w in chunk.words]


def sentences(source: str) -> list[str]:
    """The sentences of a text, as the boundaries of its words tell them."""
    found: list[str] = []
    start: int | None = None
    for chunk in cut(source):
        for word in chunk.words:
            start = chunk.start + word.span.start if start is None else start
            if word.boundary is not Boundary.NONE:
                found.append(source[start : chunk.start + word.span.end])
                start = None
    return found


@given(texts, st.integers(1, 80), st.integers(0, 80))
@example("a" * 500, 7, 0)
@example("\N{EM DASH}\N{EM DASH}a", 1, 0)
def test_every_character_is_in_exactly_one_word(source: str, limit: int, first_limit: int) -> None:
    """Whatever the text, its words in order cover each character that is not white space once."""
    covered: list[int] = []
    for chunk in cut(source, limit, first_limit=first_limit):
        assert source[chunk.start : chunk.start + len(chunk.text)] == chunk.text
        for word in chunk.words:
            text = chunk.text[word.span.start : word.span.end]
            assert text == text.strip() != ""
            covered += [
                chunk.start + i for i in range(word.span.start, word.span.end) if not chunk.text[i].isspace()
            ]
    assert [i for i, character in enumerate(source) if not character.isspace()] == covered


@given(texts, st.integers(1, 80))
def test_no_chunk_exceeds_the_limit(source: str, limit: int) -> None:
    """A chunk that is spoken measures the limit at most, however the text must be cut for it."""
    assert [c for c in cut(source, limit) if c.speakable and len(c.text) > limit] == []


SPOKEN_SOON = (
    "They had walked along the river, and nobody had said a word. Not one of them looked back at it."
)


@pytest.mark.parametrize(
    ("source", "first_limit", "first"),
    [
        (SPOKEN_SOON, 40, "They had walked along the river,"),
        (SPOKEN_SOON, 20, SPOKEN_SOON),  # no end within reach: never between any two words
        # neither the first clause nor the second: none is tiny
        (f"Yes, they had. {SPOKEN_SOON}", 80, "Yes, they had. They had walked along the river,"),
        (SPOKEN_SOON.replace(",", ""), 70, SPOKEN_SOON.replace(",", "")[:59]),
        ("They had walked along the river, said Ann.", 40, "They had walked along the river, said Ann."),
        (f"One.\n\n{SPOKEN_SOON}", 70, "One."),  # a heading is short itself; what follows is as ever
        (f"\n\n{SPOKEN_SOON}", 40, "They had walked along the river,"),
    ],
)
def test_a_story_opens_with_a_short_chunk(source: str, first_limit: int, first: str) -> None:
    """Its first chunk ends with the first clause or sentence within reach, so that it is soon heard."""
    found = [chunk.text for chunk in cut(source, first_limit=first_limit)]
    assert found[0] == first
    assert len(found) <= 2


def test_a_story_opens_with_a_short_chunk_after_an_ornament() -> None:
    """A silence is nothing that anybody waits for: the first chunk that is spoken is the short one."""
    assert [chunk.text for chunk in cut(f"* * *\n\n{SPOKEN_SOON}", first_limit=40)][:2] == [
        "* * *",
        "They had walked along the river,",
    ]


@given(texts, st.integers(20, 80), st.integers(0, 80))
def test_a_measure_need_not_be_additive(source: str, limit: int, first_limit: int) -> None:
    """The limit holds for a measure that grows faster than the text, as phonemes of numbers do."""

    def phonemes(text: str) -> int:
        return len(text) + len(text) ** 2 // 40 + 6 * sum(c.isdigit() for c in text)

    for chunk in chunks(source, measure=phonemes, limit=limit, first_limit=first_limit):
        assert phonemes(chunk.text) <= limit or len(chunk.text) == 1 or not chunk.speakable


@given(texts)
def test_the_last_word_ends_a_paragraph(source: str) -> None:
    """A text with anything in it ends its last paragraph; one of white space has no chunks."""
    found = cut(source)
    assert bool(source.strip()) == bool(found)
    assert [Boundary.PARAGRAPH] * bool(found) == [chunk.boundary for chunk in found[-1:]]


@pytest.mark.parametrize(
    "blank", ["\n\n", "\r\n\r\n", "\n \t\n", "\u2029", "\n\n\n\n", "\r\r", "\u2028\u2028"]
)
def test_a_blank_line_ends_a_paragraph(blank: str) -> None:
    """Blank lines of every newline convention, and the paragraph separator, part chunks."""
    assert [chunk.text for chunk in cut(f"One two.{blank}Three.")] == ["One two.", "Three."]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\u2028", "\x85"])
def test_a_single_newline_is_wrapping(newline: str) -> None:
    """A line that ends where the next word found no room was wrapped: it ends no sentence."""
    source = f"They went down to{newline}the sea at dawn,{newline}and swam."
    assert sentences(source) == [source]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\u2028"])
def test_set_lines_end_sentences(newline: str) -> None:
    """Lines broken on purpose, as in a list or a verse, are sentences though they have no full stop."""
    rows = [
        "From Suez to Bombay, by steamer ... 13 days",
        "From Bombay, by rail ... 3 days",
        "From here to there",
    ]
    assert sentences(newline.join(rows)) == rows


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Mr. Bennet met Dr. Who. He left.", ["Mr. Bennet met Dr. Who.", "He left."]),
        ("J. R. R. Tolkien wrote. I read.", ["J. R. R. Tolkien wrote.", "I read."]),
        ("It was I. He knew.", ["It was I.", "He knew."]),
        ("Waste nothing, i.e. be frugal. Yes.", ["Waste nothing, i.e. be frugal.", "Yes."]),
        ("He came at 5 p.m. The door stood open.", ["He came at 5 p.m.", "The door stood open."]),
        ("The U.S. Army came. It won.", ["The U.S. Army came.", "It won."]),
        ("See No. 5 there. No. Never.", ["See No. 5 there.", "No.", "Never."]),
        ("Pi is 3.14 or so. Good.", ["Pi is 3.14 or so.", "Good."]),
        ('"Stop!" he cried. "Why?" She ran.', ['"Stop!" he cried.', '"Why?"', "She ran."]),
        ("What?! No... really. Well... Yes.", ["What?!", "No... really.", "Well...", "Yes."]),
        ("Wait\u2026 what? Wait\u2026 What?", ["Wait\u2026 what?", "Wait\u2026", "What?"]),
        ("\u201cGo.\u201d \u201cNo.\u201d", ["\u201cGo.\u201d", "\u201cNo.\u201d"]),
        ("(He left.) She stayed.", ["(He left.)", "She stayed."]),
        (
            "\u4eca\u65e5\u306f\u3002\u300c\u5143\u6c17\uff1f\u300d\u306f\u3044\u3002",
            ["\u4eca\u65e5\u306f\u3002", "\u300c\u5143\u6c17\uff1f\u300d", "\u306f\u3044\u3002"],
        ),
        ("1. Order. Keep it.\n2. Silence", ["1. Order.", "Keep it.", "2. Silence"]),
        ("Buy:\n- bread\n- milk", ["Buy:", "- bread", "- milk"]),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_ends_them(source: str, expected: list[str]) -> None:
    """Abbreviations, initials, decimals, quotes, ellipses, lists and CJK stops are told from a full stop."""
    assert expected == sentences(source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("loved him\N{EM DASH}sometimes", ["loved", "him\N{EM DASH}", "sometimes"]),
        ("will--as", ["will--", "as"]),
        ('said--"no', ["said--", '"no']),
        ("well-known", ["well-known"]),
        ("yes \N{EM DASH} no", ["yes \N{EM DASH}", "no"]),
        ("\N{EM DASH} Bonjour", ["\N{EM DASH} Bonjour"]),
        ("\u00ab Bonjour \u00bb", ["\u00ab Bonjour \u00bb"]),
        ("so \N{GRINNING FACE} it goes", ["so \N{GRINNING FACE}", "it", "goes"]),
        ("one\n* two", ["one", "* two"]),
        ("\u4e16\u754c\u3002\u300c\u306f\u3044", ["\u4e16", "\u754c\u3002", "\u300c\u306f", "\u3044"]),
        ("2024\u5e74 ok", ["2024", "\u5e74", "ok"]),
        ("\u304d\u3083\u30fc", ["\u304d\u3083\u30fc"]),
    ],
)  # fmt: skip
def test_words_keep_the_marks_that_belong_to_them(source: str, expected: list[str]) -> None:
    """Dashes part words; marks without a letter stay with the word they belong to; ideographs are words."""
    assert expected == words(source)


@pytest.mark.parametrize("ornament", ["* * *", "\N{EM DASH}", "\N{GRINNING FACE}\N{GRINNING FACE}", "___"])
def test_a_paragraph_without_letters_is_a_silence(ornament: str) -> None:
    """An ornament between paragraphs is a chunk of its own, of one word, with nothing to speak."""
    found = cut(f"One.\n\n{ornament}\n\nTwo.")
    assert [chunk.speakable for chunk in found] == [True, False, True]
    assert ["One.", ornament, "Two."] == [chunk.text for chunk in found]
    assert len(found[1].words) == 1


def test_sentences_share_a_chunk_where_they_fit() -> None:
    """Whole sentences are packed together up to the limit."""
    assert [chunk.text for chunk in cut("One is here. Two is there. Three is everywhere now.", 30)] == [
        "One is here. Two is there.",
        "Three is everywhere now.",
    ]


def test_chunks_are_alike_in_size() -> None:
    """The rest of a paragraph is shared out, not left over as a scrap."""
    source = " ".join(["The quick brown fox jumps over it."] * 9)
    lengths = [len(chunk.text) for chunk in cut(source, 290)]
    assert len(lengths) == 2
    assert abs(lengths[0] - lengths[1]) <= len("The quick brown fox jumps over it. ")


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    """A sentence beyond the limit ends its chunks after commas, though words would fit behind them."""
    source = (
        "When the wind had gone down over the hills, and the rain had passed, they went out to see the sea."
    )
    assert cut(source, 60)[0].text[-1] == ","
    assert [True] * len(cut(source, 60)) == [len(chunk.text) <= 60 for chunk in cut(source, 60)]


def test_a_tiny_sentence_joins_a_part_of_a_long_one() -> None:
    """Five words or fewer do not stand alone where their neighbour can be shared."""
    long = "They had walked along the river for hours, and nobody had said a word about it, not even once."
    for chunk in cut(f"Yes. {long} Never.", 80):
        assert len(chunk.words) > TINY_WORDS


def test_a_mark_stays_with_its_letter() -> None:
    """A word beyond the limit is not cut between a letter and the accent it carries."""
    for chunk in cut("e\u0301" * 300, 51):
        assert chunk.text[0] != "\u0301"


def test_a_limit_below_one_is_refused() -> None:
    """Nothing fits a limit of zero: the caller is told at once."""
    with pytest.raises(ValueError, match="1 or more"):
        next(chunks("word", measure=len, limit=0))


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit", ["word ", "x", "* ", "Word. ", "\u4e16", "((", "e\u0301", "\N{EM DASH}", "a, ", '"', ".\n"]
)
def test_work_is_lazy_and_linear(unit: str) -> None:
    """However the text is made, the first chunk takes a look at its start only, and all a few looks each."""
    source = unit * (200_000 // len(unit)) + " end"
    seen = 0

    def measure(text: str) -> int:
        nonlocal seen
        seen += len(text)
        return len(text)

    found = chunks(source, measure=measure, limit=300)
    next(found)
    assert seen < 8_000
    assert max(len(chunk.text) for chunk in found) < 8_000
    assert seen <= 4 * len(source)


def test_chunks_follow_one_another() -> None:
    """Between two chunks of a text lies white space or nothing."""
    source = "One two three, four five six seven eight. Nine ten eleven! " * 20
    for before, after in pairwise(cut(source, 50)):
        assert not source[before.start + len(before.text) : after.start].strip()


@pytest.mark.parametrize(
    "source",
    [
        "In the summer the children went to Mrs. Abbot, who kept bees and a lame dog, and they were happy.",
        "They rode all night through the pass to see old Mr. J. R. Hale about the mill and the miller",
        "Long after dark the captain told Sgt. Pike that Lt. Moss and Prof. Lee had gone to St. Anne at last",
        "The boxes that they carried up the hill weighed 40 kg each and cost over 3 million dollars",
        "She wrote that Dr. Stone would come with Capt. Fox and Gen. Lee as soon as Gov. Ames let them leave",
        *hard_lines("titles"),
    ],
)
@pytest.mark.parametrize("limit", [38, 45, 52, 60, 75])
def test_no_chunk_ends_after_an_abbreviation(source: str, limit: int) -> None:
    """Titles, initials and numbers stay with what follows them."""
    for chunk in cut(source, limit)[:-1]:
        last = chunk.text.split()[-1]
        assert last[-1] not in ".0123456789", chunk.text


CUT = (
    "The carpen-\nter’s shop stood at the cor-\nner of the street, where no-\nbody be-\nlieved it.",
    "They went up the\nmoun-  \n  tain and came\ndown with the mush-\nrooms for the inn.",
    "He was re-\nmembered as a kind and gen-\ntle old man by every-\none in the town.",
    "A long win-\nter passed.",
    "It was im-\npossible to un-\nderstand the strange let-\nters on the stone.",
)


@pytest.mark.parametrize("source", CUT)
@pytest.mark.parametrize("limit", [30, 45, 200])
def test_a_word_that_is_cut_at_a_line_end_stays_whole(source: str, limit: int) -> None:
    """No chunk ends at its hyphen, and the lines of such a text are not taken for verse."""
    found = cut(source, limit)
    assert [chunk.text for chunk in found if chunk.text.endswith("-")] == []
    assert {chunk.line_ends for chunk in found} == {()}


def test_the_first_chunk_ends_at_a_clause() -> None:
    """The dot of a title is no end of a clause."""
    source = (
        "In the summer the children went to Mrs. Abbot, who kept bees and a lame dog, and they were happy "
        "there for many years."
    )
    assert cut(source, first_limit=60)[0].text == "In the summer the children went to Mrs. Abbot,"


@pytest.mark.parametrize(
    ("source", "first"),
    [
        ("The tall man walked down the long road towards the old mill of his father", "road"),
        ("Nobody could remember the wind that blew so hard across the flat cold fields", "wind"),
        ("The keeper carried a heavy bag of coal and a small tin lamp up the stairs", "coal"),
    ],
)
def test_a_sentence_is_cut_before_a_phrase(source: str, first: str) -> None:
    """Without commas, a sentence is cut before a conjunction or preposition, not inside a phrase."""
    chunk = cut(source, 45)[0]
    following = source[len(chunk.text) :].split(maxsplit=1)[0]
    assert following in {"towards", "that", "so", "across", "and", "of", "up", "down"}
    assert first in source


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("See Part III, Act V. The end came.", ["See Part III, Act V.", "The end came."]),
        ("She left.[1] He stayed.", ["She left.[1]", "He stayed."]),
        ("It was sold.² It burned.", ["It was sold.²", "It burned."]),
        ("It burned.* Nobody wept.", ["It burned.*", "Nobody wept."]),
        ("It stood 6 ft. high there.", ["It stood 6 ft. high there."]),
    ],
)
def test_sentences_end_behind_notes_and_numerals(source: str, expected: list[str]) -> None:
    """A reference to a note does not hide the stop before it; a counted numeral is no initial."""
    assert expected == sentences(source)


def test_intended_line_breaks_reach_the_engine() -> None:
    """The lines of a verse are told from wrapped ones; the text keeps its length and positions."""
    verse = "O wild West Wind,\nthou breath of Autumn,\nthou from whose presence\nthe leaves are driven"
    chunk = cut(verse)[0]
    assert chunk.engine_text == verse.replace("\n", "\N{LINE SEPARATOR}")
    assert chunk.text == verse
    wrapped = cut("They went down to\nthe sea at dawn,\nand swam.")[0]
    assert wrapped.engine_text == wrapped.text


@pytest.mark.parametrize(
    ("paragraph", "heading"),
    [
        ("CHAPTER ONE", Heading.CHAPTER),
        ("Chapter IV. The Sea", Heading.CHAPTER),
        ("# The Lamp", Heading.CHAPTER),
        ("XIV", Heading.CHAPTER),
        ("Prologue", Heading.CHAPTER),
        ("THE FERRY", Heading.SECTION),
        ("## At the Mill", Heading.SECTION),
        ("The Story of an Hour", Heading.SECTION),
        ("She left.", Heading.NONE),
        ("part of me was glad", Heading.NONE),
        ("and then they slept", Heading.NONE),
    ],
)
def test_headings_are_told_from_paragraphs(paragraph: str, heading: Heading) -> None:
    """A short paragraph without a full stop heads the next one; the last one of a text heads nothing."""
    assert heading == cut(f"{paragraph}\n\nIt was a dark night.")[0].heading
    assert cut(f"It was a dark night.\n\n{paragraph}")[-1].heading == Heading.NONE
