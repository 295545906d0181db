"""`make rehearse`: deploy into the offline AWS, run one execution, and show it.

The root of `local`, `fault_matrix` and the tests of the deployed machine import its deployment.
"""
