"""Agents of other frameworks as tasks: one per agent run, one per tool call.

One module per framework, each an extra; importing this package imports no framework. Of a run
its names, times, counts and the type of an error are sent; never a prompt, an argument, a
message or a result.

Ways in, simplest first:

* ``GNOMON_TRACE=1 python -m gnomon.integrations app.py`` changes no code (``__main__``);
* ``import gnomon.integrations.auto`` in the application, with ``GNOMON_TRACE=1``;
* ``gnomon.integrations.<framework>.instrument(client)`` with a client of one's own.
"""
