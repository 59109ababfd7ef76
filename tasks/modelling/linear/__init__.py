"""Linear classifiers of n-grams (and of grey pixels): fitted, written and read without torch."""
