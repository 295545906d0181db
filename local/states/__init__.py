"""Step Functions: standard workflows in JSONata, run as events of the simulated clock."""
