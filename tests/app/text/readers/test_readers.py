"""From any usual file to its text and headings: what is read, and what is left out."""

from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.text.readers.base import Section, StoryText
from app.text.readers.files import GENERATOR, StoryFile, read_story, story_files
from tests.app.text.readers.files import COVER, docx, epub, page, pdf

STORY = "It was dark.\n\n“Go on,” said the fox."


def titles(story: StoryText) -> list[tuple[str, int]]:
    """Return title and level of each section, which must be where it says."""
    for section in story.sections:
        assert story.text[section.start :].startswith(section.title.split()[0])
    return [(section.title, section.level) for section in story.sections]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-16-le-mark"]
)
def test_text_is_read_in_every_unicode_encoding(encoding: str) -> None:
    """With or without a byte order mark; only plain UTF-8 is the narrated text itself."""
    data = ("\ufeff" + STORY).encode("utf-16-le") if encoding.endswith("mark") else STORY.encode(encoding)
    story = read_story(data, suffix=".txt")
    assert story.text == STORY
    assert story.is_extracted == (encoding != "utf-8")


def test_markdown_is_read_without_its_marks() -> None:
    """Emphasis and links are their text; code, pictures, comments and tags are left out."""
    source = (
        "---\ntitle: 'The Fox'\nauthor: A. Writer\nlang: en-GB\n---\n# The *Fox*\n\nIt was **dark**, said"
        " [the\nowl](http://example.com).  \nVery.\n\n![a picture](x.png)\n\n<!-- no -->\n\n"
        "Two\n---\n\n- one\n- two\n\n3. three\n\n```\ncode()\n```\n\n***\n\n> A &amp; b <i>c</i>.\n\n"
        "| name | age |\n|---|---|\n| fox | 7 |\n"
    )
    story = read_story(source.encode(), suffix=".MD")
    assert story.text == (
        "The Fox\n\nIt was dark, said the owl.\nVery.\n\nTwo\n\none\n\ntwo\n\n3. three\n\n* * *\n\n"
        "A & b c.\n\nname age\n\nfox 7"
    )
    assert titles(story) == [("The Fox", 1), ("Two", 2)]
    assert (story.title, story.author, story.language) == ("The Fox", "A. Writer", "en-GB")


def test_html_is_read_as_it_is_shown() -> None:
    """Blocks are paragraphs; scripts, styles, navigation, what is hidden and ruby's readings are left out."""
    source = """<!doctype html><html lang="en"><head><title>A  fox</title><style>p {}</style></head><body>
      <nav><a href="/">Home</a></nav><script>alert("no")</script>
      <h1>The <em>Fox</em></h1>It was<!-- not --> dark.<p>One<br>two,
      three &amp; <span hidden>no</span><b>four</b>.<p style="display: none">no
      <div>Five<div>six</div>seven</div>
      <hr><ruby>漢<rp>(</rp><rt>kan</rt></ruby><table><tr><td>a<td>b</table><pre>x
  y</pre><noscript>no</noscript><template>no</template></body></html>"""
    story = read_story(source.encode())
    assert story.text == (
        "The Fox\n\nIt was dark.\n\nOne\ntwo, three & four.\n\nFive\n\nsix\n\nseven\n\n* * *\n\n漢\n\n"
        "a b\n\nx\ny"
    )
    assert titles(story) == [("The Fox", 1)]
    assert (story.title, story.language) == ("A fox", "en")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ('<html><meta charset="iso-8859-1"><p>Grüße'.encode("latin-1"), "Grüße"),
        ("<html><p>Grüße — ja".encode(), "Grüße — ja"),
        ("<html><p>Grüße".encode("utf-16"), "Grüße"),
        ("<html><p>It’s".encode("cp1252"), "It’s"),
    ],
)
def test_html_is_decoded_as_it_says(data: bytes, text: str) -> None:
    """By its byte order mark, its own declaration, as UTF-8, or as Windows-1252."""
    assert read_story(data, suffix=".html").text == text


def test_an_epub_is_read_in_the_order_of_its_spine() -> None:
    """Its table of contents gives the sections; notes, page numbers and the navigation are left out."""
    ops = 'xmlns:epub="http://www.idpf.org/2007/ops"'
    chapters = {
        "b one.xhtml": page(
            '<h2>I.</h2><p>It was<a epub:type="noteref" href="#n">1</a> dark'
            '<span epub:type="pagebreak">12</span>.</p><aside epub:type="footnote" id="n">no</aside>',
            ops,
        ),
        "a.xhtml": page(
            '<p>Before.</p><section id="two"><h2>II.</h2><p>And &#8212; caf&#233;.</p></section>'
        ),
    }
    toc = (
        '<li><a href="text/b%20one.xhtml">I. The <b>Night</b></a></li>'
        '<li><a href="text/a.xhtml#two">II. The Day</a><ol><li><a href="text/a.xhtml#z">x</a></li></ol></li>'
    )
    story = read_story(epub(chapters, toc=toc))
    assert story.text == "I.\n\nIt was dark.\n\nBefore.\n\nII.\n\nAnd — café."
    assert story.sections == (
        Section(0, "I. The Night", 1),
        Section(story.text.index("II."), "II. The Day", 1),
    )
    assert (story.title, story.author, story.language) == ("The Fox", "A. Writer", "en-GB")
    assert story.cover == COVER


def test_an_epub_without_a_table_has_the_sections_of_its_headings() -> None:
    """EPUB 2's named characters and documents that are not well-formed are read too."""
    doctype = '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11.dtd">'
    named = page("<h1>One</h1><p>Caf&eacute;&nbsp;bar</p>").replace("\n", f"\n{doctype}\n", 1)
    story = read_story(epub({"1.html": named, "2.html": "<h1>Two</h1><p>Not <b>closed<br>here."}))
    assert story.text == "One\n\nCafé\xa0bar\n\nTwo\n\nNot closed\nhere."
    assert titles(story) == [("One", 1), ("Two", 1)]


def test_the_contents_of_an_epub_2_are_read() -> None:
    """An NCX gives titles and levels."""
    ncx = (
        '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>One</text></navLabel>'
        '<content src="text/1.html"/><navPoint><navLabel><text>One and a half</text></navLabel>'
        '<content src="text/1.html#half"/></navPoint></navPoint></navMap></ncx>'
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="n" href="toc.ncx"/>'
        '<item id="c" href="text/1.html"/></manifest><spine toc="n"><itemref idref="c"/></spine></package>'
    )
    chapters = {"1.html": page('<p>One</p><p id="half">One and a half</p>')}
    story = read_story(epub(chapters, parts={"OEBPS/book.opf": package, "OEBPS/toc.ncx": ncx}))
    assert titles(story) == [("One", 1), ("One and a half", 2)]


def test_a_word_document_is_read_without_what_was_deleted() -> None:
    """Headings are known by Word's own styles in any language; deleted text and fields are left out."""
    body = (
        '<w:p><w:pPr><w:pStyle w:val="berschrift1"/></w:pPr><w:r><w:t>The </w:t></w:r>'
        "<w:r><w:t>Fox</w:t></w:r></w:p>"
        '<w:p><w:pPr><w:pStyle w:val="Zitat"/></w:pPr><w:r><w:t>It was</w:t><w:tab/><w:t>dark.</w:t><w:br/>'
        "<w:t>Very.</w:t></w:r><w:del><w:r><w:delText>no</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t> So.</w:t></w:r></w:ins><w:r><w:instrText>no</w:instrText></w:r></w:p>"
        "<w:moveFrom><w:p><w:r><w:t>no</w:t></w:r></w:p></w:moveFrom>"
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>A cell.</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
    )
    story = read_story(docx(body))
    assert story.text == "The Fox\n\nIt was dark.\nVery. So.\n\nA cell."
    assert titles(story) == [("The Fox", 1)]
    assert story.title == "The Fox"


def test_a_text_box_is_read_once() -> None:
    """Word stores it twice, for old readers; its paragraphs are not part of the one that it hangs on."""
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    box = "<w:txbxContent><w:p><w:r><w:t>Box.</w:t></w:r></w:p></w:txbxContent>"
    body = (
        f"<w:p><w:r><w:t>Text.</w:t></w:r><w:r><mc:AlternateContent {mc}><mc:Choice Requires='wps'>{box}"
        f"</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    assert read_story(docx(body)).text == "Text.\n\nBox."


def test_a_pdf_is_read_by_paragraphs() -> None:
    """Lines are joined; running headers, footers and page numbers are left out, sentences cross pages."""
    pages = [
        ["THE FOX", "It was dark and very late in the year, and nobody", "was about. (Not one.)"],
        ["THE FOX", "And so it went on over the hill and far into the wood", "until morning.", "2"],
        ["THE FOX", "Then it was too late for anybody to go on and to", "- 3 -"],
        ["THE FOX", "stay awake, in 1894 or so, as far as people know.", "4"],
    ]
    story = read_story(pdf(pages))
    assert story.text == (
        "It was dark and very late in the year, and nobody\nwas about. (Not one.)\n\n"
        "And so it went on over the hill and far into the wood\nuntil morning.\n\n"
        "Then it was too late for anybody to go on and to\nstay awake, in 1894 or so, as far as people know."
    )


HEADER = "The Project Gutenberg eBook of The Fox\n\nThis ebook is for the use of anyone anywhere.\n\n"
CREDITS = "Produced by Some One and the Online\nDistributed Proofreading Team\n\n\n"
LICENCE = "\n\n\n*** END OF THE PROJECT GUTENBERG EBOOK THE FOX ***\n\nFULL LICENSE\n\nPLEASE READ THIS."


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("*** START OF THE PROJECT GUTENBERG EBOOK THE\nFOX ***\n\n", LICENCE),
        ("*** START OF THE PROJECT GUTENBERG EBOOK THE FOX ***\n\n" + CREDITS, LICENCE),
        (
            "***START OF THIS PROJECT GUTENBERG EBOOK THE FOX***\n\n",
            "\n\nEnd of Project Gutenberg's Fox\n\nx",
        ),
        (
            "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\n",
            "\n\nEnd of The Project Gutenberg Etext",
        ),
        ("*** START OF THE PROJECT GUTENBERG EBOOK THE FOX ***\n\n", ""),
    ],
)
def test_project_gutenbergs_boilerplate_is_left_out(start: str, end: str, tmp_path: Path) -> None:
    """Header, credits and licence are left out, which is said; an option keeps them."""
    file = tmp_path / "fox.txt"
    file.write_text(HEADER + start + STORY + end, encoding="utf-8")

    story = StoryFile(file).read()
    assert story.text == STORY
    assert story.is_extracted
    assert [note.split(";")[1] for note in story.notes] == [" --keep-boilerplate narrates them"]

    kept = StoryFile(file).read(keep_boilerplate=True)
    assert (kept.text, kept.notes, kept.is_extracted) == (HEADER + start + STORY + end, (), False)


def test_sections_move_with_the_text(tmp_path: Path) -> None:
    """Headings of the boilerplate go, those of the story are where it now says."""
    chapters = {
        "1.xhtml": page(
            "<h1>The Project Gutenberg eBook</h1><p>*** START OF THE PROJECT GUTENBERG EBOOK X ***</p>"
        ),
        "2.xhtml": page("<h1>One</h1><p>It was dark.</p>"),
        "3.xhtml": page("<p>*** END OF THE PROJECT GUTENBERG EBOOK X ***</p><h2>Full licence</h2><p>x</p>"),
    }
    file = tmp_path / "fox.epub"
    file.write_bytes(epub(chapters))
    story = StoryFile(file).read()
    assert story.text == "One\n\nIt was dark."
    assert titles(story) == [("One", 1)]


def test_a_story_about_gutenberg_is_left_alone(tmp_path: Path) -> None:
    """The marks count at the start only, and as marks."""
    text = "x" * 50_000 + "\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\nEnd of Project Gutenberg's X"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    assert StoryFile(tmp_path / "a.txt").read().text == text


def test_a_folder_is_the_stories_in_it(tmp_path: Path) -> None:
    """By name and suffix; hidden files, other files, and what story-tts wrote are no stories."""
    page = f"<!DOCTYPE html><head>{GENERATOR.decode()}</head>"
    for name, content in {
        "b.md": "b",
        "a.TXT": "a",
        ".c.txt": "c",
        "d.jpg": "d",
        "a.narrated.txt": "a",
        "a.html": page,
        "e.html": "<p>e",
    }.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / "f.txt").mkdir()

    found = story_files([str(tmp_path), "other.txt", "-"])
    assert [story.name for story in found] == [
        *(str(tmp_path / name) for name in ("a.TXT", "b.md", "e.html")),
        "other.txt",
        "standard input",
    ]
    with pytest.raises(ConfigurationError, match="holds no story files"):
        story_files([str(tmp_path / "f.txt")])
