"""Break everything that can break while messages flow, then count. `python -m chaos`, or `make chaos`.

Load on several companies and instances in both directions, faults at random moments of a printed seed, a bounded
wait until the queues are empty, and a comparison of what was accepted with what arrived. See bench/README.md.
"""
