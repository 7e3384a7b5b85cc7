"""What two images differ in: ``documents`` compares what they say, ``layers`` what they hold, ``images`` both.

``difference`` is one thing that differs, ``causes`` why it does as a rule. Nothing is read of layers that are equal,
and of others their tables only, until somebody asks for the first byte that differs.

May import ``source`` to ``layers``.
"""

from minibuild.comparing.difference import Difference, LayerDifference, Value
from minibuild.comparing.images import Comparison, Side, paired

__all__ = ["Comparison", "Difference", "LayerDifference", "Side", "Value", "paired"]
