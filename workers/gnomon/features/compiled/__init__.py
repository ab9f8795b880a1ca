"""The Cython modules: packed records and rows, JSON, and the memory of one agent.

Each gives the same result as a Python module, to the last byte; that module is used where there is
no C compiler.
"""
