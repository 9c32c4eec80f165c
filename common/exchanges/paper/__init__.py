"""The service that trades on paper, at the prices of an exchange: none of the exchanges, but spoken to like one."""
