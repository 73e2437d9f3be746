"""The demo retailer: the real Complete Journey year, replayed as live source systems.

Nothing else in the repository imports this package; readers meet it through files, a broker, PostgreSQL and HTTP only.
"""
