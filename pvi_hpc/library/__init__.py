"""The public Python door of the package."""
