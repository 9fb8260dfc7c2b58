"""Random worlds: real nodes driven with mixed traffic and faults, and the truth told apart from our code."""
