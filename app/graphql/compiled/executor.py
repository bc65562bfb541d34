"""The executor to give to graphql-core: compiled where it can be, graphql-core's own everywhere else."""

from __future__ import annotations

from typing import Any, cast

from graphql import GraphQLObjectType, OperationType
from graphql.execution.collect_fields import CollectedFields
from graphql.execution.executor import Executor
from graphql.execution.executor_throwing_on_incremental import ExecutorThrowingOnIncremental
from graphql.execution.middleware import MiddlewareManager
from graphql.pyutils import Path

from app.graphql.compiled.batches import Batches
from app.graphql.compiled.plan import FieldDetailsList, GroupedFieldSet, Plan, Plans, Selection
from app.graphql.compiled.selection import compile_selection

PLANS = Plans()


class Compiled(Executor[Any]):
    """Mixed into an executor class of graphql-core.

    Mutations, and operations that are seen for the first time, run as graphql-core runs them. Writing the functions costs as much as some runs of the operation, which a text that never comes again would pay
    for nothing.
    """

    plans = PLANS
    compile_after = 1
    """Runs of an operation before its functions are written."""
    plan: Plan | None = None
    batches: Batches

    def execute_operation(self, serially: bool | None = None) -> Any:
        self.plan = self._find_plan()
        if self.plan is None:
            return super().execute_operation(serially)
        self.batches = batches = Batches(self)
        result = super().execute_operation(serially)
        # An awaitable result may come to batched fields yet.
        return batches.complete(result) if batches.pending or self.is_awaitable(result) else result

    def _find_plan(self) -> Plan | None:
        if self.operation.operation is OperationType.MUTATION or _wraps_resolvers(self.middleware_manager):
            return None
        if any(fragment.variable_signatures for fragment in self.fragments.values()):
            return None
        if self.abort_signal is not None or self.hooks is not None:  # batches know nothing of them
            return None
        plan = self.plans.find(self.schema, self.operation, self.fragment_definitions, self.variable_values.coerced)
        if plan is None:
            return None
        plan.runs += 1
        return plan if plan.runs > self.compile_after else None

    def execute_root_grouped_field_set(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: GroupedFieldSet,
        serially: bool,
        position_context: None,
    ) -> Any:
        if self.plan is not None:
            if self.plan.root is None:
                self.plan.root = grouped_field_set
            grouped_field_set = self.plan.root
        return super().execute_root_grouped_field_set(
            root_type, root_value, grouped_field_set, serially, position_context
        )

    def collect_subfields(
        self, return_type: GraphQLObjectType, field_details_list: FieldDetailsList
    ) -> CollectedFields:
        plan = self.plan
        if plan is None:
            return super().collect_subfields(return_type, field_details_list)
        key = (id(return_type), id(field_details_list))
        known = plan.collected.get(key)
        if known is None:
            collected = super().collect_subfields(return_type, field_details_list)
            known = plan.collected[key] = (return_type, field_details_list, collected)
        return known[2]

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: None,
    ) -> Any:
        plan = self.plan
        if plan is None:
            return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
        return self._selection(plan, parent_type, grouped_field_set)(self, source_value, path)

    def selection_of(self, type_: GraphQLObjectType, field_details_list: FieldDetailsList) -> Selection:
        """The function for the fields under a field whose value is of this type. Only within a plan."""
        grouped_field_set = self.collect_subfields(type_, field_details_list).grouped_field_set
        return self._selection(cast("Plan", self.plan), type_, grouped_field_set)

    def _selection(self, plan: Plan, type_: GraphQLObjectType, grouped_field_set: GroupedFieldSet) -> Selection:
        key = (id(type_), id(grouped_field_set))
        selection = plan.selections.get(key)
        if selection is None:
            selection = plan.selections[key] = compile_selection(self.schema, type_, grouped_field_set)
        return selection


class CompiledExecutor(Compiled, ExecutorThrowingOnIncremental):
    """To be given to graphql-core's `execute` and `subscribe`."""


def _wraps_resolvers(manager: MiddlewareManager | None) -> bool:
    """Whether there is middleware in it. Strawberry makes one for each request, mostly empty."""
    return manager is not None and (type(manager) is not MiddlewareManager or bool(manager.middlewares))
