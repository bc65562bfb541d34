"""Types of the billing room."""

import strawberry

from schema.base import Money


@strawberry.type(description="A tenant's credit.")
class Wallet:
    available: Money = strawberry.field(description="What can be spent.")
    held: Money = strawberry.field(description="What running generations have reserved.")
    spent: Money = strawberry.field(description="What has been spent.")
