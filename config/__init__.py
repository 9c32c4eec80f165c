"""What the operator sets: one typed, frozen ``Settings``, read once, every mistake named at start.

``table`` is the single source of names, defaults and meanings; the README's table and
``.env.sample`` are made from it. Only the processes in ``workers/`` and ``scripts/`` read settings:
everything in ``common/`` is handed plain values.
"""
