"""The exchanges as servers: the only place of the simulator that knows one."""
