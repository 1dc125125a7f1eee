"""A run: its plan, its controller, its files' order, and its end."""
