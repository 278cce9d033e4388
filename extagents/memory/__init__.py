"""What runs leave behind and what their agents share: the protocol, its backends, and the ledger of facts."""
