"""Operations: what the platform keeps and tells beside the work itself.

audit           who changed what, in the same transaction as the change
notifications   what a person should know, as a code with parameters
mails           the same by mail, sent from rows with retries
webhooks        the same for programs: signed deliveries with retries and a log
"""
