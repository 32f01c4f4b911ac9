"""
Real model classes with seeded random weights.

And the local hub that serves them where the true ones would be.
"""
