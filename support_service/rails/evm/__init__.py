"""Static addresses on EVM networks: the chain's own coin and allow-listed ERC-20 tokens."""
