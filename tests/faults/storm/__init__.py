"""A whole installation under work, watched by people and programs, while its parts are broken one after the other; and
at the end an account of everything it promised, held against a ledger that none of the faults reaches.
"""
