"""Measurements that are run on demand; no test depends on their figures."""
