"""The shape of a frame: what may differ, what may not, and what is remembered."""

import pytest

from gateway.formats.shape import LARGEST_BYTES, MOST_MISSES, MOST_SHAPES, Shapes

FRAME = b'{"sequence_number":7,"delta":"a","text":"","obfuscation": "x"}'


@pytest.mark.parametrize(
    ("frame", "fits"),
    [
        (FRAME, True),
        (FRAME.replace(b":7", b":123456"), True),
        (FRAME.replace(b'"a"', b'"\\u00fc\\n \xc3\xbc"').replace(b'"x"', b'"yz"'), True),
        (FRAME.replace(b":7", b":07"), False),
        (FRAME.replace(b":7", b":7.5"), False),
        (FRAME.replace(b":7", b":-7"), False),
        (FRAME.replace(b'"a"', b'""'), False),
        (FRAME.replace(b'"a"', b'"a\tb"'), False),
        (FRAME.replace(b'"a"', b'"a\\x"'), False),
        (FRAME.replace(b'"text":""', b'"text":"t"'), False),
        (FRAME.replace(b"delta", b"other"), False),
        (FRAME.replace(b"x", b'x"'), False),
        (FRAME + b" ", False),
        (FRAME[:-1], False),
        (b"", False),
    ],
)
def test_frame_fits_where_only_texts_and_numbers_that_do_not_matter_differ(frame: bytes, fits: bool) -> None:
    """A text that is empty in one and not in the other matters."""
    shapes = Shapes()
    assert not shapes.fits(FRAME)
    shapes.learn(FRAME)
    assert shapes.fits(frame) is fits


def test_quote_within_a_text_begins_no_key() -> None:
    """What an answer quotes stays part of its text."""
    shapes = Shapes()
    shapes.learn(b'{"name":"\\"text\\":\\"a","text":"b"}')
    assert shapes.fits(b'{"name":"\\"text\\":\\"a","text":"c"}')
    assert not shapes.fits(b'{"name":"\\"text\\":\\"x","text":"c"}')


def test_frame_without_anything_that_may_differ_leaves_no_shape() -> None:
    """Nor does one that is long: others like it are unlikely."""
    shapes = Shapes()
    for frame in (b'{"a":1}', b'{"text":"' + b"x" * LARGEST_BYTES + b'"}', b'{"sequence_number":7.5}'):
        shapes.learn(frame)
        assert not shapes.fits(frame)


def test_only_a_few_shapes_are_remembered_the_latest() -> None:
    """Memory has a bound."""
    shapes = Shapes()
    frames = [b'{"%d":0,"text":"a"}' % number for number in range(MOST_SHAPES + 1)]
    for frame in frames:
        shapes.learn(frame)
    assert [shapes.fits(frame) for frame in frames] == [False, *[True] * MOST_SHAPES]


def test_stream_whose_frames_are_never_alike_is_left_alone() -> None:
    """Learning in vain has an end; a frame that fits makes it worth while again."""
    shapes = Shapes()
    for number in range(MOST_MISSES - 1):
        shapes.learn(b'{"%d":0,"text":"a"}' % number)
    assert shapes.fits(b'{"%d":0,"text":"b"}' % (MOST_MISSES - 2))
    for number in range(MOST_MISSES + 1):
        shapes.learn(b'{"x%d":0,"text":"a"}' % number)
    assert shapes.fits(b'{"x%d":0,"text":"a"}' % (MOST_MISSES - 1))
    assert not shapes.fits(b'{"x%d":0,"text":"a"}' % MOST_MISSES)


def test_frame_with_many_texts_keeps_the_further_ones_as_they_are() -> None:
    """A shape stays small."""
    shapes = Shapes()
    frame = b",".join(b'"text":"%d"' % number for number in range(9))
    shapes.learn(frame)
    assert shapes.fits(frame.replace(b'"5"', b'"x"'))
    assert not shapes.fits(frame.replace(b'"6"', b'"x"'))
