"""Everything that goes to RabbitMQ and comes from it.

``pipeline.Pipeline`` is the way out (events, stream states, letters), ``commands.Commands`` the way
in, ``topology`` what has to be on the broker. Below them: ``durable`` and ``latest`` keep the books
of the two classes and know no socket, ``publisher`` joins them to one connection, ``connection``
keeps that connection coming back, ``frames``, ``messages`` and ``routes`` say what goes on the wire.
"""
