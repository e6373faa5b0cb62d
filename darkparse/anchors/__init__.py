"""Anchors for the boxes of a data set: k-means, the heads of a cfg that have them, and whether a change is worth it."""
