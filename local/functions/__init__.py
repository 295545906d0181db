"""Lambda functions as deployed: their code, layers and variables, in processes of their own."""
