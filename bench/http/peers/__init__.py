"""Python peers behind the same walls as the product: its authentication, tenancy, cost bucket and operation log."""
