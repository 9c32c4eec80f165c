"""The exchanges as servers on this machine: one market truth, each exchange's protocol, faults.

``python -m simulator --port 8900`` (``--help`` says the rest). Inside, arrows point down::

    server        one port: routes by host name; WebSocket and REST
    control truth the two interfaces for people and tests; accounts have theirs: account_control, account_truth
    desk          what is done with accounts, and who drives their trader
    connection    one socket: outbox, pings, limits, faults applied
    feeds         what is pushed when, shared by all sockets that want it
    exchanges/    one file or folder per exchange: names, shapes, rules. The only place that knows one
    replay        recorded frames instead of the market
    faults limits what goes wrong on demand; what an exchange counts
    accounts/     who trades, what they own, everything that happened to them
    market        THE truth: trades and what follows from them, exchange-neutral
    listing       what is traded, as data
"""
