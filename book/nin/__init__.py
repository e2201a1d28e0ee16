"""Helper package of the book: what its chapters teach, and what they share."""

import warnings

# The progress bar that pooch imports asks for widgets, and does without.
warnings.filterwarnings("ignore", message="IProgress not found")
