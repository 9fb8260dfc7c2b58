// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// A token whose transfer returns nothing, as USDT on Ethereum. The deployer gets the whole supply.
contract PlainToken {
    uint8 public constant decimals = 6;
    mapping(address => uint256) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor() {
        balanceOf[msg.sender] = 1e18;
        emit Transfer(address(0), msg.sender, 1e18);
    }

    function transfer(address to, uint256 value) external {
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
        emit Transfer(msg.sender, to, value);
    }
}
