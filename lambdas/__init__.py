"""What runs in AWS Lambda: the states, the domain, the dataset checker, AWS.

May import nothing else of this repository.
"""
