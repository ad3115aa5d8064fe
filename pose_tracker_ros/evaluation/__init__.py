"""Measuring poses against the truth: the field's metrics, protocols and reports."""
