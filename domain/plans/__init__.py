"""Plans: what tenants subscribe to, what it entitles them to, and coupons.

entities        plans with versions that are never edited, and a tenant's subscription to one
periods         months and years from a starting day, and what a part of one is worth
catalogue       use cases of the platform: make, follow up and archive plans
fees            what a subscription costs, and the port that collects it
subscriptions   use cases of a tenant: begin, change, cancel, go on
standing        how a subscription stands once a fee is paid or not, and who is told
collecting      fees are paid like any invoice
renewals        what the clock does when a period has ended
entitlements    what a tenant may do: asked here and nowhere else
coupons         codes for credit, or for less of a fee
store           the rooms of a unit of work
"""
