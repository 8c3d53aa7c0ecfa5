"""Every drawing of the site: no two labels touch and no letters are too small, on a desk and on a phone."""

import labels
import pytest

from .conftest import SITE, missing

pytestmark = pytest.mark.browser
FOLDER = SITE / "assets" / "figures"
DRAWN = sorted(path.name for path in FOLDER.glob("*.light.svg"))  # both schemes are laid out alike
COLUMN = 688.0  # pixels: the narrowest column for which the wide drawing is chosen


@pytest.mark.parametrize("name", DRAWN or ["no site"])
def test_labels_do_not_touch_and_can_be_read(name):
    if not DRAWN:
        missing("there is no site/ yet: make site")
    drawing = (FOLDER / name).read_text(encoding="utf-8")
    assert labels.overlaps(drawing) == []
    on_a_desk = name.replace(".light", "-narrow.light") in DRAWN
    column = COLUMN if on_a_desk else labels.COLUMN
    assert labels.smallest(drawing, column) >= labels.SMALLEST, f"in a column of {column:.0f} pixels"
    assert "<text" not in drawing
