// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// Emits Transfer logs of shapes that an indexer may choke on. Balances are not kept.
contract NoisyToken {
    uint8 public constant decimals = 6;
    mapping(address => uint256) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 value);

    function say(address from, address to, uint256 value) external {
        emit Transfer(from, to, value);
    }

    function credit(address to, uint256 value) external {
        balanceOf[to] += value;
        emit Transfer(msg.sender, to, value);
    }

    /// Four topics (an NFT's Transfer), short and long data.
    function sayOddly(address to) external {
        bytes32 topic = keccak256("Transfer(address,address,uint256)");
        bytes32 from = bytes32(uint256(uint160(msg.sender)));
        bytes32 receiver = bytes32(uint256(uint160(to)));
        bytes memory short_ = hex"01";
        bytes memory long_ = abi.encode(uint256(1), uint256(2));
        assembly {
            log4(0, 0, topic, from, receiver, 7)
            log3(add(short_, 32), mload(short_), topic, from, receiver)
            log3(add(long_, 32), mload(long_), topic, from, receiver)
            log3(0, 32, topic, not(0), receiver)
        }
    }
}
