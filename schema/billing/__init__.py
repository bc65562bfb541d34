"""Types of the billing room: the wallet and its ledger, prices, usage."""
