"""The verdicts on a claim of the bench. They have these names in the terminal,
in reports, on pages and in claims.csv."""

HOLDS, FAILS, INCONCLUSIVE = "holds", "fails", "inconclusive"
SUGGESTS, SUGGESTS_NOT = "suggests", "suggests not"  # too few rounds to tell
NOT_MEASURED = "not measured"  # a small bench leaves out some loads

# The verdicts that contradict a claim.
CONTRADICTING = (FAILS, SUGGESTS_NOT)
