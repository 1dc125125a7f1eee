"""The report: figures, scores and self-contained HTML pages."""
