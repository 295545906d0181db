"""What the pipeline decides, without AWS: the rooms, in the order in which they may import.

(errors, parallel), models, run, (hosting, training, evaluation), data_review, cost, approval,
housekeeping, reporting. No boto3, environment variables, clock or logger.
"""
