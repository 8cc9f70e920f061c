"""What Recado tells about itself: `logs`, `metrics`, `traces`, and `requests`, which adds all three to the API.

Knows nothing of messages; it takes plain values. Nothing here may let a secret out.
"""
