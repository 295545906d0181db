"""Makes the file of a model's weights that BERTScore needs, and puts it into a bucket."""
