"""Watch trainings of Lightning: ``Trainer(callbacks=[trema.lightning.Watch()])``.

Importing this module loads no framework.
"""

from trema.adapters.lightning.watch import Watch

__all__ = ["Watch"]
