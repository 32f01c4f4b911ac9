"""Files read back as what was written, whatever the text and however late the hour."""

import html
import io
import json
import re
from pathlib import Path

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.media import SRT, VTT, WORDS
from app.subtitles.base import Cue
from app.subtitles.formats import SubRipWriter, SubtitleFiles, WebVttWriter, WordsWriter
from app.subtitles.layout import Layout
from app.text.spans import Boundary, Span, Word
from tests.reading_rules import CORPUS, spoken

JOINER = "\u2060"
HOSTILE = [
    "<i>no</i> tag",
    "5 < 6 & 7 > 2",
    "a --> b ---> c",
    "{\\an8}up {\\i1}there",
    "{y:i}old",
    "C:\\Name\\new\\home",
    "1894",
    "7",
    "00:00:01,000 --> 00:00:02,000",
    "from 10:30.25 to 1:02:03.5",
    "&amp; &lt;b&gt; &nbsp;",
    "NOTE well",
    "STYLE",
    "WEBVTT",
    "\u202eright to left\u202c",
    "\N{GRINNING FACE}\N{ZERO WIDTH JOINER}",
    "</",
    "< b",
]

lines = st.lists(
    st.one_of(
        st.sampled_from(HOSTILE),
        st.text(
            st.one_of(st.sampled_from("<>{}\\Nnh&;-:.,019 "), st.characters(exclude_categories=["Cs", "Cc"])),
            max_size=42,
        ),
    ),
    min_size=1,
    max_size=2,
)
cues = st.lists(
    st.builds(
        lambda text, start, length: Cue(tuple(text), start / 1000, (start + length) / 1000),
        lines,
        st.integers(0, 99 * 3_600_000),
        st.integers(1, 7_000),
    ),
    max_size=5,
)


def shown(cue: Cue) -> str:
    """What a viewer sees of a cue: its lines without superfluous white space, none of them blank."""
    kept = (" ".join(line.replace(JOINER, "").split()) for line in cue.lines)
    return "\n".join(line for line in kept if line)


def srt(told: list[Cue]) -> str:
    """The SubRip file of some cues."""
    file = io.StringIO()
    writer = SubRipWriter(file)
    for cue in told:
        writer.write_cue(cue)
    return file.getvalue()


def vtt(told: list[Cue]) -> str:
    """The WebVTT file of some cues."""
    file = io.StringIO()
    writer = WebVttWriter(file)
    for cue in told:
        writer.write_cue(cue)
    return file.getvalue()


def read(text: str, kind: str) -> list[tuple[int, int, str]]:
    """Start, end (milliseconds) and text of each cue, as pysubs2 reads a file with its own defaults."""
    events = pysubs2.SSAFile.from_string(text, format_=kind)
    return [(event.start, event.end, event.text.replace(JOINER, "")) for event in events]


def expected(told: list[Cue]) -> list[tuple[int, int, str]]:
    """What a reader should find; pysubs2 keeps a line break as a backslash and an N."""
    return [
        (round(cue.start_secs * 1000), round(cue.end_secs * 1000), shown(cue).replace("\n", "\\N"))
        for cue in told
    ]


@given(cues)
def test_subrip_reads_back(told: list[Cue]) -> None:
    """pysubs2 finds each cue of a SubRip file with its times and its text, syntax-like text included."""
    told = [cue for cue in told if shown(cue)]
    assert read(srt(told), "srt") == expected(told)


@given(cues)
def test_webvtt_reads_back(told: list[Cue]) -> None:
    """pysubs2 finds each cue of a WebVTT file; its character references stand for the text."""
    told = [cue for cue in told if shown(cue)]
    found = [(start, end, html.unescape(text)) for start, end, text in read(vtt(told), "vtt")]
    references = [
        (start, end, html.unescape(html.escape(text, quote=False))) for start, end, text in expected(told)
    ]
    assert found == references


@pytest.mark.parametrize("text", HOSTILE)
def test_text_like_syntax_has_no_effect(text: str) -> None:
    """Tags, overrides, arrows, numbers and times in a story are shown and not obeyed, wherever they stand."""
    told = [Cue((text,), 0, 1), Cue(("first", text), 2, 3), Cue((text, text), 4, 5)]
    assert read(srt(told), "srt") == expected(told)
    assert [(s, e, html.unescape(t)) for s, e, t in read(vtt(told), "vtt")] == expected(told)
    assert [event.is_comment for event in pysubs2.SSAFile.from_string(srt(told), format_="srt")] == [
        False
    ] * 3


def test_plain_text_is_written_as_it_is() -> None:
    """Prose carries no joiner and no reference: the file is what an editor expects."""
    told = [Cue(("She wept at once,", "with sudden abandonment."), 61.5, 3_723.004)]
    assert srt(told) == "1\n00:01:01,500 --> 01:02:03,004\nShe wept at once,\nwith sudden abandonment.\n\n"
    assert vtt(told) == (
        "WEBVTT\n\n1\n00:01:01.500 --> 01:02:03.004\nShe wept at once,\nwith sudden abandonment.\n\n"
    )


@pytest.mark.parametrize("hours", [0, 9, 10, 99, 100, 1_234])
def test_hours_have_as_many_digits_as_they_need(hours: int) -> None:
    """Two digits at least, more beyond 99 hours, in both formats."""
    told = [Cue(("late",), hours * 3600 + 59.999, hours * 3600 + 61.0)]
    stamp = re.compile(r"^(\d{2,}):(\d\d):(\d\d)[,.](\d{3}) --> ", re.MULTILINE)
    for text in (srt(told), vtt(told)):
        found = stamp.search(text)
        assert found
        assert tuple(map(int, found.groups())) == (hours, 0, 59, 999)


def test_a_blank_line_never_ends_a_cue() -> None:
    """Line breaks and blanks inside a line become one space, and empty lines are left out."""
    told = [Cue(("one\n\ntwo\r\n", "  ", "three\u2028four"), 0, 1)]
    assert srt(told) == "1\n00:00:00,000 --> 00:00:01,000\none two\nthree four\n\n"


words = st.lists(
    st.builds(
        lambda text, start, length, at: Word(text, start, start + length, Span(at, at + len(text))),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        st.floats(0, 1e6),
        st.floats(0, 10),
        st.integers(0, 1_000_000),
    )
)


@given(words)
def test_words_read_back(told: list[Word]) -> None:
    """words.json is valid JSON with each word's text, times to the millisecond and span."""
    file = io.StringIO()
    writer = WordsWriter(file)
    for word in told:
        writer.write_word(word)
    writer.close()
    document = json.loads(file.getvalue())
    assert (document["format"], document["version"]) == ("story-tts.words", 1)
    assert document["words"] == [
        {
            "text": word.text,
            "start": round(word.start_secs, 3),
            "end": round(word.end_secs, 3),
            "span": [word.span.start, word.span.end],
        }
        for word in told
    ]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_story_becomes_three_files(path: Path, tmp_path: Path) -> None:
    """All three files of a story hold its text: no carriage return, cues numbered from 1, spans that fit."""
    source = path.read_text("utf-8")
    layout = Layout()
    with SubtitleFiles(tmp_path) as files:
        told = [*spoken(source)]
        for word in told:
            files.write_word(word)
        for cue in layout.cues(told):
            files.write_cue(cue)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "subtitles.srt",
        "subtitles.vtt",
        "subtitles.words.json",
    ]
    for file in (files.paths[SRT], files.paths[VTT]):
        assert b"\r" not in file.read_bytes()
        text = "".join(event.plaintext for event in pysubs2.load(str(file)))
        assert "".join(html.unescape(text).replace(JOINER, "").split()) == "".join(source.split())
    numbers = [
        int(n) for n in re.findall(r"^(\d+)\n\d\d:", files.paths[SRT].read_text("utf-8"), re.MULTILINE)
    ]
    assert numbers == [*range(1, layout.report.cues + 1)]
    document = json.loads(files.paths[WORDS].read_text("utf-8"))
    assert [source[w["span"][0] : w["span"][1]] for w in document["words"]] == [
        w["text"] for w in document["words"]
    ]


def test_files_grow_as_they_are_written(tmp_path: Path) -> None:
    """Nothing waits for the end of the story: what is written leaves memory for the disk."""
    with SubtitleFiles(tmp_path) as files:
        for number in range(2_000):
            files.write_cue(Cue(("A line of some length.",), number, number + 0.9))
            files.write_word(Word("word", number, number + 0.9, Span(0, 4), Boundary.NONE))
        assert min(path.stat().st_size for path in files.paths.values()) > 50_000


def test_a_story_that_failed_leaves_no_valid_words(tmp_path: Path) -> None:
    """An error inside the block closes the files and passes on; words.json is not made to look complete."""
    files = SubtitleFiles(tmp_path)
    with pytest.raises(RuntimeError, match="engine"), files:  # noqa: PT012 - the block is what fails
        files.write_word(Word("word", 0, 1, Span(0, 4)))
        raise RuntimeError("engine")
    with pytest.raises(json.JSONDecodeError):
        json.loads(files.paths[WORDS].read_text("utf-8"))


def test_words_are_written_inside_the_block(tmp_path: Path) -> None:
    """Before the files are open there is nothing to write to, and the error says so."""
    with pytest.raises(RuntimeError, match="inside"):
        SubtitleFiles(tmp_path).write_word(Word("word", 0, 1, Span(0, 4)))


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    """A path that cannot be opened raises at once, with no file left open."""
    with pytest.raises(FileNotFoundError), SubtitleFiles(tmp_path / "none"):
        pass
