"""
Real model classes with seeded random weights, and the local hub that serves them where the true ones would
be.
"""
