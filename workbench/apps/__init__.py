"""Panel pages, in a process of their own: they read snapshots of the desk and never block it."""

from workbench.apps.server import Dashboard, serve

__all__ = ["Dashboard", "serve"]
