"""What `make doctor` looks at: one module a subject, one function a question to AWS.

Each yields findings; the first call that fails ends a check, and the doctor says so in a line.
"""
