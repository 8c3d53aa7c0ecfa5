"""The mechanisms a second time: from the papers' sums, index by index, in NumPy alone. Made to be checked against."""
