"""The Cython modules: records and rows packed in memory, JSON, and the memory of one agent.

Each does what a Python module does, to the last byte; without a C compiler that module serves.
"""
