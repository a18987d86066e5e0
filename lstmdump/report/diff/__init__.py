"""The comparison of two models: which layers are the same, gate by gate, and what explains the differences.

A difference of numbers is explained only exactly: two gates are exchanged if each array of one is, number by number,
that of the other. What is no explanation is a difference, with how far the numbers have moved.
"""
