"""Images decoded: sizes, thumbnails, limits, and what is made to harm who decodes it."""

from __future__ import annotations

import io
import resource

import pytest
from PIL import Image

from adapters.images import THUMBNAIL_PIXELS, PillowImages
from domain.errors import ErrorCode
from domain.files.entities import FileKind
from domain.files.images import Picture
from tests import file_samples as samples
from tests.domain.world import refused

ORIENTATION, MAKE, PLACE = 0x0112, 0x010F, 0x8825


def read(content: bytes, kind: FileKind = FileKind.PNG, *, pixels_max: int = 1_000_000, frames_max: int = 5) -> Picture:
    return PillowImages(pixels_max=pixels_max, frames_max=frames_max).read(io.BytesIO(content), kind)


def thumbnail(picture: Picture) -> Image.Image:
    image = Image.open(io.BytesIO(picture.thumbnail), formats=["WEBP"])
    image.load()
    return image


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_small_image_has_a_thumbnail_of_its_own_size(kind: str) -> None:
    picture = read(samples.image(kind), FileKind(kind))
    assert (picture.width, picture.height, thumbnail(picture).size) == (40, 30, (40, 30))


@pytest.mark.parametrize(
    ("size", "small"), [((1024, 256), (512, 128)), ((100, 2_000), (26, 512)), ((512, 512), (512, 512))]
)
def test_a_large_image_is_made_small_in_proportion(size: tuple[int, int], small: tuple[int, int]) -> None:
    picture = read(samples.image(size=size))
    assert ((picture.width, picture.height), thumbnail(picture).size) == (size, small)
    assert max(small) <= THUMBNAIL_PIXELS


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_way_of_storing_a_pixel_is_read(mode: str) -> None:
    picture = read(samples.image(mode=mode))
    assert thumbnail(picture).mode == ("RGBA" if mode in {"LA", "RGBA"} else "RGB")


def test_cmyk_is_read() -> None:
    assert thumbnail(read(samples.image("JPEG", mode="CMYK"), FileKind.JPEG)).mode == "RGB"


def test_what_is_transparent_stays_so() -> None:
    written = io.BytesIO()
    Image.new("P", (8, 8)).save(written, "GIF", transparency=0)
    assert thumbnail(read(written.getvalue(), FileKind.GIF)).getpixel((4, 4)) == (0, 0, 0, 0)


@pytest.mark.parametrize("turned", [1, 3, 6, 8])
def test_a_photograph_is_turned_and_tells_nothing_else(turned: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE] = turned, "Camera of a private person"
    exif.get_ifd(PLACE)[1] = "N"
    content = samples.image("JPEG", (800, 600), exif=exif.tobytes())
    assert b"private person" in content
    picture = read(content, FileKind.JPEG)
    upright = (800, 600) if turned < 5 else (600, 800)
    image = thumbnail(picture)
    assert ((picture.width, picture.height), image.width > image.height) == (upright, turned < 5)
    assert dict(image.getexif()) == {} and b"private person" not in picture.thumbnail


@pytest.mark.parametrize("kind", [FileKind.GIF, FileKind.WEBP, FileKind.PNG])
def test_an_animation_has_a_still_thumbnail_and_a_number_of_frames(kind: FileKind) -> None:
    picture = read(samples.animation(kind, frames=5), kind, frames_max=5)
    assert getattr(thumbnail(picture), "n_frames", 1) == 1
    assert (picture.width, picture.height) == (20, 10)
    with refused(ErrorCode.FILE_TOO_LARGE, "uploadId"):
        read(samples.animation(kind, frames=6), kind, frames_max=5)


def test_an_image_has_as_many_pixels_as_it_may() -> None:
    content = samples.image(size=(100, 50))
    assert read(content, pixels_max=5_000).width == 100
    with refused(ErrorCode.FILE_TOO_LARGE, "uploadId"):
        read(content, pixels_max=4_999)


@pytest.mark.parametrize("side", [8_000, 50_000, 2**31 - 1])
def test_a_bomb_is_refused_before_it_takes_memory(side: int) -> None:
    content = samples.png_claiming(side, side)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with refused(ErrorCode.FILE_TOO_LARGE, "uploadId"):
        read(content, pixels_max=40_000_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 32 << 10


def test_a_frame_that_is_larger_than_its_image_counts_as_the_image() -> None:
    """A GIF of 1 by 1 pixel, with a frame of 9,000 by 9,000."""
    frame = b"," + bytes(4) + (9_000).to_bytes(2, "little") * 2 + b"\x00"
    content = b"GIF89a\x01\x00\x01\x00\x80\x00\x00" + bytes(6) + frame + b"\x02\x02\x44\x01\x00;"
    with refused(ErrorCode.FILE_TOO_LARGE, "uploadId"):
        read(content, FileKind.GIF, pixels_max=40_000_000)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (samples.PNG, FileKind.JPEG),  # only the named decoder is tried
        (samples.png_claiming(900, 900), FileKind.PNG),
        (samples.image("JPEG", (300, 300))[:-200] + b"\xff\xd9", FileKind.WEBP),
        (samples.PNG[:20], FileKind.PNG),
        (samples.WEBP[:40], FileKind.WEBP),
        (b"", FileKind.GIF),
    ],
)
def test_what_cannot_be_decoded_is_damaged(content: bytes, kind: FileKind) -> None:
    with refused(ErrorCode.FILE_DAMAGED, "uploadId"):
        read(content, kind)
