"""What is used, while it is used."""

from datetime import datetime

import strawberry

from schema.billing.ledger import Wallet
from schema.billing.usage import UsageRow
from schema.cost import Cost


@strawberry.type(description="What was used and what is left, as it is now.", directives=[Cost(weight=0)])
class UsageMeterEvent:
    rows: list[UsageRow] = strawberry.field(
        description="What authors are billed for, by day and model: today's at first, then those that have changed. "
        "Each is the whole of its day and model, and takes the place of the one before; none where only credit moved."
    )
    wallet: Wallet = strawberry.field(description="The tenant's credit.")
    at: datetime = strawberry.field(description="When it was read.")
