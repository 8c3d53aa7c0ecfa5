"""attnref: the reference for attention. Every public name of every chapter, and nothing else."""

from attnref import attention, sequence, transformer
from attnref.attention import *
from attnref.sequence import *
from attnref.transformer import *

__version__ = "0.1.0"

__all__ = []
__all__ += sequence.__all__
__all__ += attention.__all__
__all__ += transformer.__all__
