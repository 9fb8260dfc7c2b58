"""The running server under load: real processes, real sockets, and the truth told apart from our code."""
