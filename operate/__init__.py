"""What a person does to a deployed environment from a terminal, with their own credentials."""
