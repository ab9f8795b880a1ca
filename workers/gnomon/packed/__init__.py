"""Many records in one piece of memory: an object of one is made only for who asks for it.

Compiled only, for compiled code: of each record a stage reads or writes, the objects that it would
be (itself, its key, its value) take longer than what is done with it. To Python these are
sequences as any other.
"""
