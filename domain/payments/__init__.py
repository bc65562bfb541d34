"""Payments: money that a tenant pays.

entities    payments, saved methods, refunds, the automatic top-up
port        the port to a payment service
store       the room of a unit of work
paid_for    what follows from a payment: each purpose has its own
service     taking payments, and learning what became of them
refunds     paying back, and what others pay back
automatic   top-ups without being asked
"""
