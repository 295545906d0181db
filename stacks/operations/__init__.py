"""The stack of notifications and monitoring: topic, alarms, dashboard, budget.

Imports `constructs` and the `steps` of pipeline and guards; only the application imports it.
"""
