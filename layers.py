"""import-linter's contracts, for the product's modules alone.

Tests stand beside the code and reach for factories and the simulator of other apps; what holds
between the modules they test does not hold for them. import-linter can't leave out modules by the
end of their names, so these two contracts do.
"""

from grimp import ImportGraph
from importlinter import ContractCheck
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

TEST_MODULES = ("_test", ".conftest", ".factories")


def _without_tests(graph: ImportGraph) -> ImportGraph:
    for module in list(graph.modules):
        if module.endswith(TEST_MODULES) or ".testing." in f"{module}.":
            graph.remove_module(module)
    return graph


class ProductForbiddenContract(ForbiddenContract):
    """`forbidden`, without the tests."""

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        return super().check(_without_tests(graph), verbose)


class ProductLayersContract(LayersContract):
    """`layers`, without the tests."""

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        return super().check(_without_tests(graph), verbose)
