"""Helper package of the book: what its chapters teach, and what they share."""
