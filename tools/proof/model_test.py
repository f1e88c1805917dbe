"""Each way to break the specification is caught; `site_tests/proof` checks it unbroken."""

import pytest

from tools.proof.readme import read_variants
from tools.proof.scopes import INVARIANTS, SMALL
from tools.proof.tlc import SPECIFICATION, SpecificationError, check
from tools.proof.variants import VARIANTS, Variant


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.fault)
def test_a_broken_variant_is_caught(variant: Variant):
    assert variant.check(SPECIFICATION.read_text())


def test_the_readme_tells_of_each_variant():
    assert read_variants() == {variant.fault: variant.caught_by for variant in VARIANTS}


def test_a_variant_of_a_specification_that_has_changed_is_refused():
    with pytest.raises(ValueError, match="0 times"):
        VARIANTS[0].apply("another specification")


def test_a_specification_that_cannot_be_checked_is_not_taken_for_one_that_holds():
    broken = SPECIFICATION.read_text().replace("Init ==", "Init =")

    with pytest.raises(SpecificationError, match="Error"):
        check(SMALL[0], INVARIANTS, specification=broken)
