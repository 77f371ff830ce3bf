"""Content blocks as clients write them, and what they are read to.

Source: the Managed Agents API, section C.1.
"""

import binascii
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, StringConstraints

from podium.api.shapes.body import Body, wrong
from podium.api.shapes.parts import Text, one_of
from podium.core.content import Content, ContentBlock, DocumentBlock, ImageBlock, SearchResultBlock, TextBlock
from podium.core.json import JSON

MOST_BLOCKS = 1000
IMAGES = ("image/gif", "image/jpeg", "image/png", "image/webp")


def _base64(data: str) -> str:
    try:
        b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise wrong("is not base64") from None
    return data


def _image_type(media_type: str) -> str:
    if media_type not in IMAGES:
        raise wrong(f"must be one of {', '.join(IMAGES)}, not {media_type!r:.60}")
    return media_type


def _http(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise wrong("must be an http(s) URL")
    return url


Data = Annotated[str, StringConstraints(min_length=1), AfterValidator(_base64)]
Url = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_http)]


class Base64Image(Body):
    """An image in the request itself."""

    type: Literal["base64"]
    media_type: Annotated[str, AfterValidator(_image_type)]
    data: Data


class Base64Document(Body):
    """A PDF in the request itself."""

    type: Literal["base64"]
    media_type: Literal["application/pdf"]
    data: Data


class PlainText(Body):
    """A document of plain text."""

    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: Annotated[str, StringConstraints(min_length=1)]


class UrlSource(Body):
    """What the model's provider fetches itself."""

    type: Literal["url"]
    url: Url


ImageSource = Annotated[
    Base64Image | UrlSource, one_of("type", {"base64": Base64Image, "url": UrlSource}, not_yet=("file",))
]
DocumentSource = Annotated[
    Base64Document | PlainText | UrlSource,
    one_of("type", {"base64": Base64Document, "text": PlainText, "url": UrlSource}, not_yet=("file",)),
]


class TextPart(Body):
    """Plain text."""

    type: Literal["text"]
    text: str


class Image(Body):
    """An image."""

    type: Literal["image"]
    source: ImageSource


class Document(Body):
    """A document."""

    type: Literal["document"]
    source: DocumentSource
    title: str | None = None
    context: str | None = None


class Citations(Body):
    """Whether the model may cite it."""

    enabled: bool


class SearchResult(Body):
    """A result of a search; only in results of tools."""

    type: Literal["search_result"]
    source: Text
    title: str
    content: Annotated[list[TextPart], Field(min_length=1, max_length=MOST_BLOCKS)]
    citations: Citations


def _never(why: str) -> Callable[[str], str]:
    def check(type: str) -> str:
        raise wrong(f"'{type}' {why}")

    return check


class Redacted(Body):
    """Stands where the server withheld something; no client sends it."""

    type: Annotated[str, AfterValidator(_never("is made by the server alone"))]


class SearchResultElsewhere(Body):
    """A result of a search where none may stand."""

    IGNORED: ClassVar[frozenset[str]] = frozenset(["source", "title", "content", "citations"])
    type: Annotated[str, AfterValidator(_never("may stand in results of tools alone"))]


_KINDS: dict[str, type[Body]] = {"text": TextPart, "image": Image, "document": Document, "redacted": Redacted}
_Block = Annotated[TextPart | Image | Document, one_of("type", {**_KINDS, "search_result": SearchResultElsewhere})]
_ResultBlock = Annotated[
    TextPart | Image | Document | SearchResult, one_of("type", {**_KINDS, "search_result": SearchResult})
]


def _says_something(blocks: list[Any]) -> list[Any]:
    if all(isinstance(block, TextPart) and not block.text.strip() for block in blocks):
        raise wrong("must not be empty: say what the agent is to do")
    return blocks


Blocks = Annotated[list[_Block], Field(min_length=1, max_length=MOST_BLOCKS), AfterValidator(_says_something)]
"""What a message says."""
ResultBlocks = Annotated[list[_ResultBlock], Field(max_length=MOST_BLOCKS)]
"""What a tool gave back; it may be nothing."""
Texts = Annotated[
    list[Annotated[TextPart, one_of("type", {"text": TextPart})]],
    Field(min_length=1, max_length=MOST_BLOCKS),
    AfterValidator(_says_something),
]


def content_of(blocks: Sequence[TextPart | Image | Document | SearchResult]) -> Content:
    """The blocks as they are recorded."""
    return tuple(_block(block) for block in blocks)


def _block(block: TextPart | Image | Document | SearchResult) -> ContentBlock:
    match block:
        case TextPart(text=text):
            return TextBlock(text)
        case Image(source=source):
            return ImageBlock(source.model_dump())
        case Document(source=source, title=title, context=context):
            return DocumentBlock(source.model_dump(), title, context)
        case SearchResult():
            said: list[JSON] = [part.model_dump() for part in block.content]
            return SearchResultBlock(block.source, block.title, tuple(said), block.citations.model_dump())
