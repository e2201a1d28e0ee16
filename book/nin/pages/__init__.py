"""The data of the pages' own figures."""
