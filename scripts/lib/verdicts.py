"""What a claim of the bench comes out as. In the terminal, in reports, pages
and claims.csv it has the same name."""

HOLDS, FAILS, INCONCLUSIVE = "holds", "fails", "inconclusive"
SUGGESTS, SUGGESTS_NOT = "suggests", "suggests not"  # too few rounds to tell
NOT_MEASURED = "not measured"  # A small bench leaves out some loads.

# Those by which a run contradicts a claim.
CONTRADICTING = (FAILS, SUGGESTS_NOT)
