"""Question-answer pairs from documents: asked of a model, checked against the document, kept."""
