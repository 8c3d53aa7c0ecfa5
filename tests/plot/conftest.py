"""What the tests of the pictures share: measures of color by their standards, and what a drawing says."""

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.colors import to_rgb


def _lightness(colors):
    """CIELAB lightness of sRGB colors: the definition of CIE 15 and IEC 61966-2-1."""
    srgb = np.asarray(colors)[..., :3]
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    y = linear @ (0.2126, 0.7152, 0.0722)
    return 116 * np.where(y > (6 / 29) ** 3, np.cbrt(y), y * (29 / 6) ** 2 / 3 + 4 / 29) - 16


@pytest.fixture(scope="session")
def lightness():
    return _lightness


@pytest.fixture(scope="session")
def contrast():
    """WCAG contrast of two colors."""

    def of(one, other):
        y = sorted((((_lightness(to_rgb(c)) + 16) / 116) ** 3 for c in (one, other)), reverse=True)
        return (y[0] + 0.05) / (y[1] + 0.05)

    return of


@pytest.fixture(scope="session")
def svg():
    """The figure as an SVG file, the same in every run."""

    def of(figure):
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue()

    return of


@pytest.fixture(scope="session")
def texts_in(svg):
    """The texts of the figure's SVG, parsed as a browser would."""

    def of(figure):
        return [element.text for element in ET.fromstring(svg(figure)).iter("{http://www.w3.org/2000/svg}text")]

    return of
