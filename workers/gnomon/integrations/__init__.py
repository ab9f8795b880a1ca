"""Publishes the agents of other frameworks as tasks: one per agent run, one per tool call.

Each framework has one module and one extra; importing this package imports no framework. Names,
times, counts and the type of an error are sent; never a prompt, an argument, a message or a
result.

There are three ways to use it, simplest first:

* ``GNOMON_TRACE=1 python -m gnomon.integrations app.py`` needs no change of code (``__main__``);
* ``import gnomon.integrations.auto`` in the application, with ``GNOMON_TRACE=1``;
* ``gnomon.integrations.<framework>.instrument(client)`` with a client that you configure.
"""
