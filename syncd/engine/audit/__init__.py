"""Compare every pair from fresh readings of both sides; write nothing to either."""
