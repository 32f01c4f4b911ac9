"""Files of every format that is read, made on the spot."""

import io
import zipfile
from collections.abc import Mapping
from types import MappingProxyType

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
XHTML = '<?xml version="1.0" encoding="utf-8"?>\n<html xmlns="http://www.w3.org/1999/xhtml" {0}>{1}</html>'
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
COVER = b"\x89PNG\r\n\x1a\n and so on"


Parts = Mapping[str, str | bytes]
NO_PARTS: Parts = MappingProxyType({})


def archive(parts: Parts, *, compress: bool = True) -> bytes:
    """Return a zip archive with these parts, in order."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return file.getvalue()


def page(body: str, attributes: str = "") -> str:
    """Return an XHTML document."""
    return XHTML.format(attributes, f"<head><title>no</title></head><body>{body}</body>")


def epub(
    chapters: Mapping[str, str],
    *,
    toc: str | None = None,
    parts: Mapping[str, str | bytes] = MappingProxyType({}),
) -> bytes:
    """Return an EPUB of XHTML documents by name; `toc` is the content of the list of the navigation."""
    items = "".join(
        f'<item id="c{number}" href="text/{name.replace(" ", "%20")}" media-type="application/xhtml+xml"/>'
        for number, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{number}"/>' for number in range(len(chapters)))
    navigation = '<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
    contents = '<itemref idref="nav"/>' if toc else ""
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The  Fox</dc:title>'
        "<dc:creator>A. Writer</dc:creator><dc:language>en-GB</dc:language></metadata>"
        f"<manifest>{items}{navigation if toc else ''}"
        '<item id="cover" href="cover.png" properties="cover-image" media-type="image/png"/></manifest>'
        f"<spine>{contents}{spine}</spine></package>"
    )
    made: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": package,
        "OEBPS/cover.png": COVER,
    }
    made |= {f"OEBPS/text/{name}": text for name, text in chapters.items()}
    if toc:
        attributes = 'xmlns:epub="http://www.idpf.org/2007/ops"'
        made["OEBPS/nav.xhtml"] = page(f'<nav epub:type="toc"><ol>{toc}</ol></nav>', attributes)
    return archive(made | dict(parts))


def docx(body: str) -> bytes:
    """Return a Word document with this body; its style `berschrift1` is Word's own "heading 1"."""
    styles = (
        f'<w:styles {W}><w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/>'
        '</w:style><w:style w:type="paragraph" w:styleId="Zitat"><w:name w:val="Quote"/></w:style></w:styles>'
    )
    core = (
        '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The Fox</dc:title></cp:coreProperties>'
    )
    contents: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
        "word/styles.xml": styles,
        "docProps/core.xml": core,
    }
    return archive(contents)


def pdf(pages: list[list[str]]) -> bytes:
    """Return a PDF with a text layer: one list of lines per page."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for lines in pages:
        shown = "\n".join(
            f"({line.replace('(', chr(92) + '(').replace(')', chr(92) + ')')}) Tj 0 -14 Td" for line in lines
        )
        stream = f"BT /F1 12 Tf 72 720 Td\n{shown}\nET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        fonts = "<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R"
            f" /Resources {fonts} >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    data = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    return (
        data
        + (
            f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
            f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(data)}\n%%EOF"
        ).encode()
    )
