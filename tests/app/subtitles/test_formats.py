"""Subtitle files read back as they were written, for any text and any time."""

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
from app.subtitles.formats import WRITERS, SubRipWriter, SubtitleFiles, WebVttWriter, WordsWriter
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
    """Return the text that a viewer sees: lines that are not blank, with single spaces."""
    kept = (" ".join(line.replace(JOINER, "").split()) for line in cue.lines)
    return "\n".join(line for line in kept if line)


def srt(cues: list[Cue]) -> str:
    """Return the SubRip file of `cues`."""
    file = io.StringIO()
    writer = SubRipWriter(file)
    for cue in cues:
        writer.write_cue(cue)
    return file.getvalue()


def vtt(cues: list[Cue]) -> str:
    """Return the WebVTT file of `cues`."""
    file = io.StringIO()
    writer = WebVttWriter(file)
    for cue in cues:
        writer.write_cue(cue)
    return file.getvalue()


def read(text: str, kind: str) -> list[tuple[int, int, str]]:
    """Return start, end (milliseconds) and text of each cue as pysubs2 reads them by default."""
    events = pysubs2.SSAFile.from_string(text, format_=kind)
    return [(event.start, event.end, event.text.replace(JOINER, "")) for event in events]


def expected(cues: list[Cue]) -> list[tuple[int, int, str]]:
    """Return what pysubs2 should read; it keeps a line break as a backslash and an N."""
    return [
        (round(cue.start_secs * 1000), round(cue.end_secs * 1000), shown(cue).replace("\n", "\\N"))
        for cue in cues
    ]


@given(cues)
def test_subrip_reads_back(written: list[Cue]) -> None:
    """pysubs2 reads the times and text of each cue, including text that looks like syntax."""
    written = [cue for cue in written if shown(cue)]
    assert read(srt(written), "srt") == expected(written)


@given(cues)
def test_webvtt_reads_back(written: list[Cue]) -> None:
    """pysubs2 reads the times and text of each cue, with character references."""
    written = [cue for cue in written if shown(cue)]
    found = [(start, end, html.unescape(text)) for start, end, text in read(vtt(written), "vtt")]
    references = [
        (start, end, html.unescape(html.escape(text, quote=False))) for start, end, text in expected(written)
    ]
    assert found == references


@pytest.mark.parametrize("text", HOSTILE)
def test_text_like_syntax_has_no_effect(text: str) -> None:
    """Tags, overrides, arrows, numbers and times in a story are shown as text."""
    written = [Cue((text,), 0, 1), Cue(("first", text), 2, 3), Cue((text, text), 4, 5)]
    assert read(srt(written), "srt") == expected(written)
    assert [(s, e, html.unescape(t)) for s, e, t in read(vtt(written), "vtt")] == expected(written)
    assert [event.is_comment for event in pysubs2.SSAFile.from_string(srt(written), format_="srt")] == [
        False
    ] * 3


def test_plain_text_is_written_as_it_is() -> None:
    """Plain prose needs no joiner and no character reference."""
    written = [Cue(("She wept at once,", "with sudden abandonment."), 61.5, 3_723.004)]
    assert srt(written) == "1\n00:01:01,500 --> 01:02:03,004\nShe wept at once,\nwith sudden abandonment.\n\n"
    assert vtt(written) == (
        "WEBVTT\n\n1\n00:01:01.500 --> 01:02:03.004\nShe wept at once,\nwith sudden abandonment.\n\n"
    )


@pytest.mark.parametrize("hours", [0, 9, 10, 99, 100, 1_234])
def test_hours_have_as_many_digits_as_they_need(hours: int) -> None:
    """Hours have at least two digits, and more beyond 99 hours."""
    written = [Cue(("late",), hours * 3600 + 59.999, hours * 3600 + 61.0)]
    stamp = re.compile(r"^(\d{2,}):(\d\d):(\d\d)[,.](\d{3}) --> ", re.MULTILINE)
    for text in (srt(written), vtt(written)):
        found = stamp.search(text)
        assert found
        assert tuple(map(int, found.groups())) == (hours, 0, 59, 999)


def test_a_blank_line_never_ends_a_cue() -> None:
    """White space inside a line becomes one space, and empty lines are left out."""
    written = [Cue(("one\n\ntwo\r\n", "  ", "three\u2028four"), 0, 1)]
    assert srt(written) == "1\n00:00:00,000 --> 00:00:01,000\none two\nthree four\n\n"


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
def test_words_read_back(written: list[Word]) -> None:
    """words.json has each word's text, span and times in milliseconds."""
    file = io.StringIO()
    writer = WordsWriter(file)
    for word in written:
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
        for word in written
    ]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_all_files_hold_the_whole_story(path: Path, tmp_path: Path) -> None:
    """Each file holds the full text. Cues are numbered from 1, and spans match the source."""
    source = path.read_text("utf-8")
    layout = Layout()
    with SubtitleFiles(tmp_path) as files:
        written = [*spoken(source)]
        for word in written:
            files.write_word(word)
        for cue in layout.cues(written):
            files.write_cue(cue)
    assert {path.name for path in tmp_path.iterdir()} == {kind.file_name for kind in WRITERS}
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
    """Cues and words are written to disk before the end of the story."""
    with SubtitleFiles(tmp_path) as files:
        for number in range(2_000):
            files.write_cue(Cue(("A line of some length.",), number, number + 0.9))
            files.write_word(Word("word", number, number + 0.9, Span(0, 4), Boundary.NONE))
        assert min(path.stat().st_size for path in files.paths.values()) > 50_000


def test_a_failed_story_leaves_incomplete_words(tmp_path: Path) -> None:
    """After an error the files are closed, but words.json is not completed."""
    files = SubtitleFiles(tmp_path)
    with pytest.raises(RuntimeError, match="engine"), files:  # noqa: PT012 - the block is what fails
        files.write_word(Word("word", 0, 1, Span(0, 4)))
        raise RuntimeError("engine")
    with pytest.raises(json.JSONDecodeError):
        json.loads(files.paths[WORDS].read_text("utf-8"))


def test_words_are_written_inside_the_block(tmp_path: Path) -> None:
    """Writing before the files are open is an error."""
    with pytest.raises(RuntimeError, match="inside their"):
        SubtitleFiles(tmp_path).write_word(Word("word", 0, 1, Span(0, 4)))


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    """A path that cannot be opened raises at once."""
    with pytest.raises(FileNotFoundError), SubtitleFiles(tmp_path / "none"):
        pass
