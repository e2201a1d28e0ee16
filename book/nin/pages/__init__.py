"""The data of the pages' own figures: python -m nin live|garments|sample."""
