"""What Recado talks about, as plain data: ids, content, states, events, the provider contract, errors.

Pure: nothing here reads a clock it was not given, opens a file or touches a network.
"""
