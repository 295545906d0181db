"""The project's own data, and the tool that prepares data for a model."""
