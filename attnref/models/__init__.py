"""Chapter 4: models of images, captions and texts. Their names stay here: `from attnref.models import BERT`."""

__all__: list[str] = []
