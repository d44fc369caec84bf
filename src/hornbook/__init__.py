"""Hornbook writes textbooks for language models and proves what they teach."""

__version__ = "0.1.0"
