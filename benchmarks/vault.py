"""Measures the vault: encryption on one core, the cost of the roots, the whole stage, the memory
of export and train, and the verification.

``python -m benchmarks.vault`` prints a table for each part; ``--only`` takes some of them. Everything shares
this machine, so ratios within one run are what counts, and processor time rather than the clock. The exit
status is 1 if a requirement is not met.
"""

import argparse
import sys

from benchmarks.harness.watching import end_in_order_at_sigterm

STORES = ("PostgreSQL", "SQLite")
PARTS = ("seal", "roots", "stage", "memory", "verify")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure")
    parser.add_argument("--span-s", type=float, default=3.0, help="of each measured call (3)")
    parser.add_argument("--turns", type=int, default=3, help="of each contender (3)")
    parser.add_argument(
        "--decisions", type=int, default=500_000, help="through the stage (500,000)"
    )
    parser.add_argument(
        "--stores", nargs="+", choices=STORES, default=STORES, help="that the stage writes to"
    )
    parser.add_argument(
        "--records", type=int, default=1_000_000, help="of the largest store (1,000,000)"
    )
    options = parser.parse_args()
    end_in_order_at_sigterm()
    met = True
    if "seal" in options.only:
        from benchmarks.vaults import ciphers

        met &= ciphers.measure(span_s=options.span_s, turns=options.turns)
    if "roots" in options.only:
        from benchmarks.vaults import roots_cost

        met &= roots_cost.measure(processes=5, batches=32, batch=2_000)
    if "stage" in options.only:
        from benchmarks.vaults import stage

        met &= stage.measure(
            decisions=options.decisions, turns=options.turns, stores=options.stores
        )
    large = {"memory", "verify"} & {*options.only}
    if large:
        from benchmarks.vaults.large import measure

        met &= measure(
            count=options.records, of_memory="memory" in large, of_verifying="verify" in large
        )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
