"""The reader of pages: images of every kind, ink, boxes, lines, context, and pages whose text is known."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest
from PIL import Image

from tinygrad_hw import cli, reader
from tinygrad_hw.data.rendered import CLASSES
from tinygrad_hw.errors import DataError
from tinygrad_hw.reader import boxes, context, crops, image, ink, lines, segments
from tinygrad_hw.reader.boxes import Mark
from tinygrad_hw.reader.page import SMALLEST
from tinygrad_hw.reader.rendering import render
from tinygrad_hw.train.recipe import Recipe

TEXT = ["THE QUICK BROWN FOX", "JUMPS OVER 13 LAZY DOGS", "CALL 555 0172 OR 98463"]


@pytest.fixture(scope="module")
def model():
    return reader.Classifier.load()


def errors(page, text):
    """Wrong characters, spaces left aside, as a share of the true ones; and of the lines, which are in order."""
    got = "\n".join("".join(c.text for c in line) for line in page.lines)
    true = "\n".join(line.replace(" ", "") for line in text)
    return reader.edit_distance(got, true) / len(true)


def block(left, top, width, height):
    return Mark(left, top, np.ones((height, width), bool))


# --- images


def page_array():
    return render(["AB 12"], size=40, noise=0.0)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1", "I;16", "CMYK"])
def test_images_of_every_mode_are_the_same_page(mode, tmp_path):
    grey = page_array()
    picture = Image.fromarray(grey)
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        picture = picture.convert(mode)
    name = "page.tif" if mode == "CMYK" else "page.png"
    picture.save(tmp_path / name)
    got = image.load_image(tmp_path / name)
    assert got.dtype == np.float32
    assert got.shape == grey.shape
    if mode == "1":
        assert set(np.unique(got)) <= {0, 1}
    elif mode == "I;16":
        assert np.corrcoef(got.ravel(), grey.ravel())[0, 1] > 0.9999
    else:
        np.testing.assert_allclose(got, grey / 255, atol=0.02)


def test_jpeg_and_camera_orientation(tmp_path):
    grey = page_array()
    picture = Image.fromarray(grey)
    exif = picture.getexif()
    exif[0x0112] = 6  # the camera was turned: the page is upright after a quarter turn clockwise
    picture.rotate(90, expand=True).save(tmp_path / "page.jpg", exif=exif, quality=95)
    got = image.load_image(tmp_path / "page.jpg")
    assert got.shape == grey.shape
    assert np.abs(got - grey / 255).mean() < 0.02


def test_what_is_transparent_is_white():
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0, 3] = 255
    np.testing.assert_array_equal(image.load_image(rgba), [[0, 1], [1, 1]])
    np.testing.assert_array_equal(image.load_image(rgba[..., 2:]), [[0, 1], [1, 1]])


def test_arrays_of_floats_and_bools_are_images_too():
    values = np.array([[0.0, 0.5], [1.0, 0.25]])
    np.testing.assert_array_equal(image.load_image(values), values.astype(np.float32))
    np.testing.assert_array_equal(image.load_image(values > 0.3), [[0, 1], [1, 0]])
    rgb = np.array([[[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]]])
    np.testing.assert_allclose(image.load_image(rgb), [[0.299, 0.587, 0.114]], rtol=1e-6)


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros(3), "expected an image (height, width) or (height, width, 1 to 4 channels)"),
        (np.zeros((2, 2, 5)), "got shape (2, 2, 5)"),
        (np.zeros((0, 4)), "expected an image with pixels, got shape (0, 4)"),
        (np.full((2, 2), 1.5), "expected floats in 0..1, got values from 1.5 to 1.5"),
        (np.full((2, 2), np.nan), "expected floats in 0..1"),
        (np.zeros((2, 2), np.int64), "expected uint8 or floats in 0..1, got int64"),
    ],
)
def test_arrays_that_are_no_images(array, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        image.load_image(array)


def test_files_that_are_no_images(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="missing.png: no such file"):
        image.load_image(tmp_path / "missing.png")
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(DataError, match="text.png: expected an image, got a file of another kind"):
        image.load_image(tmp_path / "text.png")
    Image.fromarray(page_array()).save(tmp_path / "page.png")
    whole = (tmp_path / "page.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="half.png: the image is damaged"):
        image.load_image(tmp_path / "half.png")
    monkeypatch.setattr(image, "MOST", 100)
    with pytest.raises(DataError, match="page.png: expected at most 100 pixels, got "):
        image.load_image(tmp_path / "page.png")


def test_reducing_keeps_the_brightness_and_small_images():
    grey = np.tile(np.linspace(0, 1, 600, dtype=np.float32), (300, 1))
    small = image.fitted(grey, 200)
    assert small.shape == (100, 200)
    assert small.mean() == pytest.approx(grey.mean(), abs=1e-3)
    assert image.fitted(grey, 600) is grey


# --- ink


def test_uneven_light_is_evened_out():
    page = render(["HELLO"], size=60, shade=0.7, noise=0.0) / np.float32(255)
    dark = ink.darkness(page)
    assert np.abs(np.median(dark)) < 0.03
    assert np.abs(dark[[0, 0, -1, -1], [0, -1, 0, -1]]).max() < 0.2
    assert np.percentile(dark, 99.5) > 0.6
    flat = ink.strokes(ink.darkness(render(["HELLO"], size=60, shade=0.0, noise=0.0) / 255))
    assert (ink.strokes(dark) != flat).mean() < 0.005


def test_light_ink_on_dark_paper_is_inverted():
    page = render(["HELLO"], size=60) / np.float32(255)
    a, b = (ink.strokes(ink.darkness(p)) for p in (page, 1 - page))
    assert a.any()
    assert (a != b).mean() < 0.01


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.05])
def test_paper_without_ink_has_no_strokes(noise):
    rng = np.random.default_rng(0)
    light = np.linspace(0.5, 0.9, 500)[:, None] + np.linspace(0, 0.1, 700)
    page = np.clip(light + noise * rng.standard_normal((500, 700)), 0, 1).astype(np.float32)
    assert boxes.typical_size(boxes.marks(ink.strokes(ink.darkness(page)))) < SMALLEST


# --- boxes


def test_a_mark_is_its_pixels_in_a_tight_box():
    page = np.zeros((20, 30), bool)
    page[3:7, 5] = page[8, 20:23] = True
    page[7, 6] = True  # touches at a corner
    found = sorted(boxes.marks(page), key=lambda m: m.left)
    assert [(m.left, m.top, m.width, m.height) for m in found] == [(5, 3, 2, 5), (20, 8, 3, 1)]
    both = found[0] + found[1]
    assert (both.left, both.top, both.right, both.bottom) == (5, 3, 23, 9)
    assert both.ink.sum() == 5 + 3
    assert both.middle == (14, 6)
    assert both.part(np.zeros_like(both.ink)) is None


def test_stacked_and_overlapping_pieces_are_one_character():
    size = 50
    bars = [block(10, 10 + 20 * i, 40, 5) for i in range(3)]  # three bars: an E in pieces
    assert len(boxes.characters(bars, size, (200, 200))) == 1
    two_lines = [block(10, 10, 30, 50), block(10, 75, 30, 50)]
    assert len(boxes.characters(two_lines, size, (200, 200))) == 2
    beside = [block(10, 10, 30, 50), block(45, 10, 30, 50)]
    assert len(boxes.characters(beside, size, (200, 200))) == 2


def test_a_low_fragment_joins_what_it_nearly_touches():
    whole, tip = block(10, 10, 20, 50), block(32, 10, 10, 12)
    assert len(boxes.characters([whole, tip], 50, (200, 200))) == 1
    assert len(boxes.characters([whole, block(38, 10, 10, 12)], 50, (200, 200))) == 2


def test_rules_and_the_edge_of_the_sheet_are_no_characters():
    found = [
        block(0, 0, 400, 6),
        block(50, 50, 30, 50),
        block(0, 100, 10, 12),
        block(20, 130, 700, 3),
    ]
    kept = boxes.characters(found, 50, (200, 800))
    assert [(m.left, m.top) for m in kept] == [(50, 50)]


def test_dots_are_set_apart():
    large, small = boxes.without_specks([block(0, 0, 30, 50), block(40, 40, 8, 8)], 50)
    assert [m.height for m in large] == [50]
    assert [m.height for m in small] == [8]
    assert boxes.typical_size([]) == 0


def test_dust_does_not_make_characters_seem_small():
    page = [block(60 * i, 0, 40, 50) for i in range(5)] + [
        block(7 * i, 90, 3, 3) for i in range(80)
    ]
    assert boxes.typical_size(page) == 50


# --- lines


@pytest.mark.parametrize("degrees", [-15, -6, 0, 6, 15])
def test_the_turn_of_a_page(degrees):
    rng = np.random.default_rng(0)
    angle = np.radians(degrees)
    found = []
    for row in range(5):
        for column in range(12):
            x, y = 60 * column, 110 * row + rng.uniform(-3, 3)
            at = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
            found.append(block(2000 + round(at[0]), 2000 + round(at[1]), 40, 50))
    assert lines.turn(found, 50) == pytest.approx(degrees, abs=1.0)
    assert lines.turn(found[:2], 50) == 0


def test_lines_are_chained_though_they_rise_and_words_split_at_wide_gaps():
    found = []
    for row in range(3):
        x = 0
        for i in range(10):
            x += 55 + 45 * (i == 4)
            found.append(block(x, 400 + 100 * row - x // 6, 40, 50))
    rng = np.random.default_rng(1)
    chains = lines.lines([found[i] for i in rng.permutation(len(found))], 50)
    assert [len(chain) for chain in chains] == [10, 10, 10]
    for chain in chains:
        assert lines.spaces(chain, 50) == [i == 4 for i in range(10)]
    assert lines.spaces(chains[0][:1], 50) == [False]
    assert lines.spaces([block(0, 0, 40, 50), block(120, 0, 40, 50)], 50) == [False, True]
    even = [block(100 * i, 0, 40, 50) for i in range(6)]
    assert lines.spaces(even, 50) == [False] * 6


# --- crops


@pytest.mark.parametrize("scale", [1, 3])
@pytest.mark.parametrize("stroke", [2, 6, 12])
def test_a_crop_has_the_size_and_the_stroke_of_the_training_data(scale, stroke):
    side = 100 * scale
    page = np.zeros((side, side), bool)
    page[:, : stroke * scale] = page[-stroke * scale :, :] = True  # an L
    got = crops.crop(Mark(0, 0, page))
    assert got.shape == (32, 32)
    assert got.dtype == np.float32
    rows, columns = np.flatnonzero(got.max(axis=1) > 0.5), np.flatnonzero(got.max(axis=0) > 0.5)
    assert 24 <= rows[-1] - rows[0] + 1 <= 26
    assert 24 <= columns[-1] - columns[0] + 1 <= 26
    assert got[10].sum() == pytest.approx(3, abs=0.8)


# --- context


def scores(*choices):
    """ln p for characters given as {class: probability}, the rest shared by all."""
    rows = []
    for choice in choices:
        p = np.full(36, (1 - sum(choice.values())) / 36)
        for name, share in choice.items():
            p[CLASSES.index(name)] += share
        rows.append(np.log(p))
    return np.array(rows)


def text(values):
    return "".join(CLASSES[k] for k in values.argmax(axis=1))


def test_neighbors_settle_letters_against_digits():
    o = {"O": 0.4, "0": 0.55}
    no = [False] * 3
    assert text(context.settled(scores({"T": 0.9}, o, {"P": 0.9}), no)) == "TOP"
    zero = {"O": 0.55, "0": 0.4}
    assert text(context.settled(scores({"1": 0.6, "I": 0.3}, zero, {"7": 0.9}), no)) == "107"
    # Alone between words, a character is what it looks like.
    two = {"2": 0.85, "Z": 0.1}
    spaced = [False, True, True]
    assert text(context.settled(scores({"D": 0.9}, two, {"T": 0.9}), spaced)) == "D2T"
    one = {"1": 0.4, "I": 0.5}
    lone = scores(one, {"M": 0.9}, {"A": 0.9})
    assert text(context.settled(lone, [False, True, False])) == "IMA"
    assert text(context.settled(lone, [False, True, False], numbered=True)) == "1MA"


def test_context_gives_probabilities_and_keeps_the_order_within_a_kind():
    rng = np.random.default_rng(0)
    raw = np.log(rng.dirichlet(np.ones(36), 6))
    got = context.settled(raw, [False, False, True, False, False, False])
    np.testing.assert_allclose(np.exp(got).sum(axis=1), 1)
    for part in (slice(0, 26), slice(26, 36)):
        np.testing.assert_array_equal(got[:, part].argsort(axis=1), raw[:, part].argsort(axis=1))


def test_context_is_bayes_for_two_characters():
    # By hand: sum over the four ways in which two characters are letters or digits.
    raw = scores({"O": 0.3, "0": 0.6}, {"B": 0.5, "8": 0.3})
    p = np.exp(raw)
    kinds = np.array([[row[:26].sum(), row[26:].sum()] for row in p])
    change = np.array([[1 - context.WITHIN, context.WITHIN], [context.WITHIN, 1 - context.WITHIN]])
    joint = kinds[0][:, None] * change * kinds[1][None, :]
    joint /= joint.sum()
    got = np.exp(context.settled(raw, [False, False]))
    np.testing.assert_allclose(got[0, :26].sum(), joint.sum(axis=1)[0])
    np.testing.assert_allclose(got[1, 26:].sum(), joint.sum(axis=0)[1])


# --- segments


def test_a_path_through_cuts_and_joins_takes_what_is_read_best():
    """Costs that know the truth: each character is 40 wide, and nothing else is one."""

    def costs(found):
        return np.array([abs(m.width - 40) / 8 + 0.01 for m in found])

    ink_ = np.zeros((50, 84), bool)
    ink_[:, :40] = ink_[:, 44:] = True
    ink_[25, 40:44] = True  # two that touch
    touching = Mark(0, 0, ink_)
    halves = [block(150, 0, 18, 50), block(170, 0, 20, 50)]  # one in two pieces
    found = segments.segmented([[touching, *halves, block(250, 0, 40, 50)]], costs)
    assert [round(m.left, -1) for m in found[0]] == [0, 40, 150, 250]
    apart = [block(150, 0, 40, 50), block(195, 0, 40, 50)]
    assert segments.segmented([apart], costs) == [apart]


def test_edit_distance():
    assert reader.edit_distance("KITTEN", "SITTING") == 3
    assert reader.edit_distance("", "ABC") == reader.edit_distance("ABC", "") == 3
    assert reader.edit_distance("SAME", "SAME") == 0
    assert reader.edit_distance("XSAME", "SAME") == 1


# --- pages


CASES = {
    "plain": {},
    "joined": {"joined": ["QUICK", "LAZY", "CALL", "0172"]},
    "broken": {"broken": 0.3},
    "turned": {"turn": 15},
    "turned left": {"turn": -15},
    "slanting lines": {"slope": 3},
    "noise": {"noise": 0.05},
    "a shadow": {"shade": 0.7},
}


@pytest.mark.parametrize("case", CASES)
def test_rendered_pages(case, model):
    shares = [
        errors(reader.read(render(TEXT, name, 60, **CASES[case]), model), TEXT)
        for name in ("DejaVuSans", "cmss10")
    ]
    assert np.mean(shares) <= 0.05


def test_a_slanting_font_and_one_with_serifs(model):
    for name in ("DejaVuSans-Oblique", "STIXGeneralBol"):
        assert errors(reader.read(render(TEXT, name, 60), model), TEXT) <= 0.05


def test_spaces_boxes_and_confidence(model):
    drawn = render(["AB CD"], size=60, noise=0.0, shade=0.0)
    page = reader.read(drawn, model)
    assert page.text == "AB CD"
    assert [c.space_before for c in page.lines[0]] == [False, False, True, False]
    assert all(0.5 < c.confidence <= 1 for c in page.lines[0])
    dark = drawn < 128
    for c in page.lines[0]:
        left, top, right, bottom = (round(v) for v in c.box)
        assert dark[top:bottom, left:right].sum() > 200
        assert bottom - top == pytest.approx(60, abs=8)
    inside = sum(
        dark[round(t) : round(b), round(l) : round(r)].sum()
        for l, t, r, b in (c.box for c in page.lines[0])  # noqa: E741
    )
    assert inside >= 0.99 * dark.sum()


def test_boxes_of_a_turned_large_page_lie_on_its_characters(model):
    drawn = render(["HOUSE", "TREES"], size=160, turn=10, noise=0.0, shade=0.0)
    drawn = np.asarray(Image.fromarray(drawn).resize((drawn.shape[1] * 3, drawn.shape[0] * 3)))
    page = reader.read(drawn, model)
    assert page.turn == pytest.approx(10, abs=1)
    assert page.text == "HOUSE\nTREES"
    dark = drawn < 128
    for c in page.lines[0] + page.lines[1]:
        middle = np.mean(c.corners, axis=0)
        x, y = round(float(middle[0])), round(float(middle[1]))
        assert dark[y - 200 : y + 200, x - 100 : x + 100].any()
        (x0, y0), (x1, y1), *_ = c.corners
        assert np.degrees(np.arctan2(y1 - y0, x1 - x0)) == pytest.approx(10, abs=1)


def test_inverted_and_empty_pages(model):
    drawn = render(TEXT[:1], size=60)
    assert reader.read(255 - drawn, model).text == TEXT[0]
    rng = np.random.default_rng(0)
    for blank in (np.full((300, 400), 255, np.uint8), rng.integers(200, 220, (300, 400), np.uint8)):
        page = reader.read(blank, model)
        assert page.lines == []
        assert page.text == ""
    assert reader.read(np.zeros((1, 1), np.uint8), model).lines == []


def test_twelve_megapixels(model):
    drawn = render(TEXT[:2], size=60)
    height = round(4000 * drawn.shape[0] / drawn.shape[1])
    big = np.asarray(Image.fromarray(drawn).resize((4000, height)))
    big = np.pad(big, ((0, 3000 - height), (0, 0)), mode="edge")
    assert errors(reader.read(np.stack([big] * 3, axis=-1), model), TEXT[:2]) <= 0.05


# --- the command


def run(capsys, *arguments):
    code = cli.main(["read", *map(str, arguments)])
    return code, capsys.readouterr()


def test_the_command_prints_text_and_draws_boxes(tmp_path, capsys):
    Image.fromarray(render(["AB 12"], size=60)).save(tmp_path / "a.png")
    Image.fromarray(np.full((80, 80), 255, np.uint8)).save(tmp_path / "b.png")
    code, out = run(capsys, tmp_path / "a.png", "--boxes", tmp_path / "found.png")
    assert (code, out.out) == (0, "AB 12\n")
    drawn = np.asarray(Image.open(tmp_path / "found.png"))
    assert (drawn.max(axis=2) != drawn.min(axis=2)).any()  # color on a grey page
    both = (tmp_path / "a.png", tmp_path / "b.png")
    code, out = run(capsys, *both, "--boxes", tmp_path / "found.png")
    assert code == 0
    assert out.out == f"{both[0]}\nAB 12\n\n{both[1]}\n(no characters found)\n\n"
    assert (tmp_path / "found-a.png").is_file()
    assert (tmp_path / "found-b.png").is_file()


def test_the_command_prints_json(tmp_path, capsys):
    Image.fromarray(render(["AB 12"], size=60)).save(tmp_path / "a.jpg")
    code, out = run(capsys, tmp_path / "a.jpg", "--json")
    page = json.loads(out.out)[str(tmp_path / "a.jpg")]
    assert code == 0
    assert page["text"] == "AB 12"
    characters = page["lines"][0]["characters"]
    assert [c["character"] for c in characters] == ["A", "B", "1", "2"]
    assert [c["space_before"] for c in characters] == [False, False, True, False]
    assert len(characters[0]["box"]) == len(characters[0]["corners"]) == 4


def test_the_command_complains(tmp_path, capsys, monkeypatch):
    code, out = run(capsys, tmp_path / "none.png")
    assert code == 2
    assert "none.png: no such file" in out.err
    Image.fromarray(page_array()).save(tmp_path / "a.png")
    code, out = run(capsys, tmp_path / "a.png", "--boxes", tmp_path / "x.txt")
    assert code == 2
    assert "argument --boxes: expected a name that ends in .png" in out.err
    code, out = run(capsys, tmp_path / "a.png", "--model", tmp_path)
    assert code == 2
    assert "is this the folder of a run?" in out.err
    Recipe.of("digits").save(tmp_path / "config.json")
    code, out = run(capsys, tmp_path / "a.png", "--model", tmp_path)
    assert code == 2
    assert "expected a run on nist36 or rendered36, got one on digits" in out.err
    Recipe.of("nist36").save(tmp_path / "config.json")
    code, out = run(capsys, tmp_path / "a.png", "--model", tmp_path)
    assert code == 2
    assert "expected model.safetensors, got no such file" in out.err
    from tinygrad_hw import nn, save_file

    save_file(nn.Linear(2, 2).state_dict(), tmp_path / "model.safetensors")
    code, out = run(capsys, tmp_path / "a.png", "--model", tmp_path)
    assert code == 2
    assert "not the weights of this run" in out.err
    monkeypatch.setitem(sys.modules, "scipy", None)
    code, out = run(capsys, tmp_path / "a.png")
    assert code == 2
    assert "pip install 'tinygrad_hw[reader]'" in out.err


def test_the_model_of_a_run_reads(tmp_path, capsys):
    from tinygrad_hw import save_file

    recipe = Recipe.of("nist36")
    recipe.save(tmp_path / "config.json")
    save_file(recipe.network(1024, 36).state_dict(), tmp_path / "model.safetensors")
    Image.fromarray(render(["ABC"], size=60)).save(tmp_path / "a.png")
    code, out = run(capsys, tmp_path / "a.png", "--model", tmp_path)
    assert code == 0
    assert out.out.strip()  # untrained: something is read


def test_the_packaged_model_is_small_and_says_where_it_is_from():
    from tinygrad_hw.reader.model import PACKAGED

    assert PACKAGED.stat().st_size <= 1_000_000
    text = PACKAGED.with_suffix(".txt").read_text(encoding="utf-8")
    for word in ("EMNIST", "licence", "tinygrad_hw.reader.training"):
        assert word in text
