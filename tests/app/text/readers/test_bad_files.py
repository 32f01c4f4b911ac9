"""Files that hold no story, or mean harm, are refused by name or harmless: nothing is run or fetched."""

import importlib
import io
import resource
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pypdf
import pytest

from app.errors import MissingExtraError, RefusedTextError
from app.text.readers import archives, base, files
from app.text.readers.files import StoryFile, read_story
from tests.app.text.readers.files import CONTAINER, archive, docx, epub, page, pdf

GIB = 1024**3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "holds no text"),
        (b" \n", "holds no text"),
        (b"caf\xe9", "not UTF-8 (byte 4): save it as UTF-8"),
        (b"text\0text\0\0\0", "NUL"),
        (b"\xff\xfeo", "damaged UTF-16"),
        (b"\xff\xfe" + "ab".encode("utf-16-le") + b"\x00\xd8", "damaged UTF-16"),
        (b"\xd0\xcf\x11\xe0 and so on", "old Office document"),
        (b"{\\rtf1 text}", "RTF"),
        (b"\x89PNG\r\n", "a picture"),
        (b"\xff\xd8\xff\xe0", "a picture"),
        (b"ID3\x04", "audio"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x7fELF", "a program"),
        (b"x" * 60 + b"BOOKMOBI", "Kindle"),
        (b"PK\x03\x04 no archive", "damaged zip"),
        (archive({"story.txt": "Once."}), "neither an EPUB nor a Word document"),
        (archive({"mimetype": "application/vnd.oasis", "content.xml": "<x/>"}), "OpenDocument"),
        (archive({"META-INF/container.xml": "<container/>"}), "damaged EPUB"),
        (archive({"META-INF/container.xml": "<container"}), "damaged EPUB"),
        (archive({"META-INF/container.xml": CONTAINER}), "damaged EPUB"),
        (archive({"word/document.xml": "<w"}), "damaged Word document"),
        (epub({}), "holds no text"),
        (epub({"1.xhtml": ""}), "holds no text"),
        (epub({"1.xhtml": page("<p>x</p>")})[:-200], "damaged zip"),
        (docx(""), "holds no text"),
        (b"%PDF-1.7\nand so on", "damaged PDF"),
        (pdf([[""]]), "a PDF without a text layer"),
        (b"<html><script>x()</script></html>", "holds no text"),
        (b"<!doctype html>", "without text"),
    ],
)
def test_what_is_not_text_is_refused_by_name(data: bytes, reason: str) -> None:
    """The error says what the file is, and what to do where something can be done."""
    with pytest.raises(RefusedTextError) as refused:
        read_story(data)
    assert reason in refused.value.message


@pytest.mark.parametrize("algorithm", ["RC4-40", "AES-256"])
def test_a_pdf_with_a_password_is_refused(algorithm: str) -> None:
    """Whatever it is encrypted with; one that everyone may open is read."""
    for password, refused in (("secret", True), ("", False)):
        writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf([["Once upon a time."]])))
        writer.encrypt(user_password=password, owner_password="owner", algorithm=algorithm)
        file = io.BytesIO()
        writer.write(file)
        if refused:
            with pytest.raises(RefusedTextError, match="a PDF with a password"):
                read_story(file.getvalue())
        else:
            assert read_story(file.getvalue()).text == "Once upon a time."


def test_a_protected_epub_is_refused() -> None:
    """Encrypted documents are copy protection; encrypted fonts do not matter."""
    encryption = (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
        '<EncryptedData xmlns="http://www.w3.org/2001/04/xmlenc#"><CipherData><CipherReference URI="{}"/>'
        "</CipherData></EncryptedData></encryption>"
    )
    chapters = {"1.xhtml": page("<p>Once.</p>")}
    font = epub(chapters, parts={"META-INF/encryption.xml": encryption.format("OEBPS/font.ttf")})
    assert read_story(font).text == "Once."
    text = epub(chapters, parts={"META-INF/encryption.xml": encryption.format("OEBPS/text/1.xhtml")})
    with pytest.raises(RefusedTextError, match="DRM"):
        read_story(text)


@pytest.fixture
def bomb() -> bytes:
    """Ten GiB of spaces, deflated twice: the archive's part is itself an archive, as in nested bombs."""
    block = b" " * 1024**2
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("META-INF/container.xml", CONTAINER)
        with made.open("OEBPS/book.opf", "w", force_zip64=True) as part:
            packer = zlib.compressobj(9)
            for _ in range(64):
                part.write(packer.compress(block))
            part.write(packer.flush())
    data = bytearray(file.getvalue())
    # The directory declares ten GiB less one: its fields are the last sizes of the part in the archive.
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (4 * GIB - 2).to_bytes(4, "little")
    return bytes(data)


def memory_mib() -> float:
    """Return the largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_an_archive_that_unpacks_to_gigabytes_is_refused(bomb: bytes) -> None:
    """By the size that it declares, before a byte is unpacked."""
    with pytest.raises(RefusedTextError, match="too large"):
        read_story(bomb)


def test_an_archive_that_lies_about_its_size_unpacks_to_what_it_says() -> None:
    """A part that declares 100 bytes and holds 200 MiB costs 100 bytes, and is damaged."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made,
        made.open("META-INF/container.xml", "w") as part,
    ):
        for _ in range(200):
            part.write(b" " * 1024**2)
    data = bytearray(file.getvalue())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (100).to_bytes(4, "little")
    before = memory_mib()
    with pytest.raises(RefusedTextError, match="damaged"):
        read_story(bytes(data))
    assert memory_mib() - before < 20


def test_many_parts_have_a_limit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part may be small, and all of them too much."""
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", 5000)
    chapters = {f"{number}.xhtml": page("<p>Once.</p>" + " " * 900) for number in range(9)}
    with pytest.raises(RefusedTextError, match="too large"):
        read_story(epub(chapters))


def test_archives_inside_archives_are_not_opened() -> None:
    """A nested bomb is a part like any other: text that is no page, or never read."""
    inner = archive({"0.zip": archive({"zeros": b"\0" * 1024**2})})
    assert (
        read_story(epub({"1.xhtml": page("<p>Once.</p>")}, parts={"OEBPS/bomb.zip": inner})).text == "Once."
    )


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 30))
EXPANDING = f'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY l0 "ha">{LAUGHS}]>'
EXTERNAL = '<?xml version="1.0"?><!DOCTYPE html [<!ENTITY l29 SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("doctype", [EXPANDING, EXTERNAL])
@pytest.mark.parametrize("kind", ["html", "epub", "package", "docx"])
def test_entities_are_not_expanded(kind: str, doctype: str) -> None:
    """Neither a billion laughs nor a file of this machine gets into a story."""
    body = page("<p>Once &l29; more.</p>").partition("\n")[2]
    made: dict[str, Callable[[], bytes]] = {
        "html": (doctype + body).encode,
        "epub": lambda: epub({"1.xhtml": doctype + body}),
        "package": lambda: archive({"META-INF/container.xml": doctype + "<container>&l29;</container>"}),
        "docx": lambda: archive({"word/document.xml": f"{doctype}<document>&l29;</document>"}),
    }
    before = memory_mib()
    try:
        text = read_story(made[kind](), suffix=".html" if kind == "html" else "").text
    except RefusedTextError as error:
        text = error.message
    assert len(text) < 200
    assert "root:" not in text
    assert memory_mib() - before < 50


def test_scripts_of_a_page_are_left_out() -> None:
    """Scripts, handlers and addresses are no text, and nothing is fetched or run."""
    source = (
        '<html><body onload="evil()"><script src="http://127.0.0.1:1/x.js">evil()</script><p>Once<img src="http://'
        '127.0.0.1:1/x.png" onerror="evil()">.</p><a href="javascript:evil()">More</a>'
        "<iframe src='file:///etc/passwd'>evil</iframe></body></html>"
    )
    assert read_story(source.encode()).text == "Once.\n\nMore"


@pytest.mark.parametrize("tag", ["div", "span", "b", "blockquote"])
def test_deep_nesting_is_harmless(tag: str) -> None:
    """A page of 100,000 nested elements is read or refused, without recursion."""
    source = f"<html><body><p>Once.</p>{f'<{tag}>' * 100_000}"
    try:
        text = read_story(source.encode()).text
    except RefusedTextError as error:
        text = error.message
    assert "Once." in text or "without text" in text


def test_a_text_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A story longer than any WAV file is refused while it is read."""
    monkeypatch.setattr(base, "MAX_CHARACTERS", 100)
    with pytest.raises(RefusedTextError, match="more than 100 characters"):
        read_story(b"<html>" + b"<p>Once upon a time.</p>" * 10)


def test_a_file_has_a_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is not read beyond the limit."""
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 1024**2)
    (tmp_path / "a.txt").write_bytes(b"x" * (1024**2 + 1))
    with pytest.raises(RefusedTextError, match="larger than 1 MiB"):
        StoryFile(tmp_path / "a.txt").read()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, text is read, and other formats say what to install."""

    def missing(_: str) -> None:
        raise ModuleNotFoundError("no", name="lxml")

    monkeypatch.setattr(importlib, "import_module", missing)
    assert read_story(b"Once.").text == "Once."
    with pytest.raises(MissingExtraError, match=r"lxml.*story-tts\[readers\]"):
        read_story(epub({}))
