"""From files to a survey: traces, models, wavelets and synthetic data."""
