"""Pictures of attention: a heat map, an alignment of two token sequences, several heads side by side."""

try:
    import matplotlib as _matplotlib  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("attnref.plot needs matplotlib: pip install 'attnref[plot]'", name=error.name) from error

from attnref.plot.alignments import alignment, group_colors, ribbons, source_colors
from attnref.plot.heat_maps import heads, heat_map
from attnref.plot.styles import ACCENTS, FAINT, INK, MUTED, ROLES, colormap, families, style

__all__ = [
    "ACCENTS",
    "FAINT",
    "INK",
    "MUTED",
    "ROLES",
    "alignment",
    "colormap",
    "families",
    "group_colors",
    "heads",
    "heat_map",
    "ribbons",
    "source_colors",
    "style",
]
