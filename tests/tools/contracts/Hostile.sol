// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

interface ISay {
    function say(address from, address to, uint256 value) external;
}

/// An ordinary token whose transfer also lets another contract tell of one.
contract LoudToken {
    uint8 public constant decimals = 6;
    mapping(address => uint256) public balanceOf;
    ISay immutable other;

    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor(ISay other_) {
        other = other_;
        balanceOf[msg.sender] = 1e18;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        other.say(msg.sender, to, value * 1000);
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
        emit Transfer(msg.sender, to, value);
        return true;
    }
}

/// Old style: where it cannot pay it returns false, and the transaction succeeds.
contract FalseToken {
    uint8 public constant decimals = 6;
    mapping(address => uint256) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 value);

    function transfer(address to, uint256 value) external returns (bool) {
        if (balanceOf[msg.sender] < value) return false;
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
        emit Transfer(msg.sender, to, value);
        return true;
    }
}

/// A token with an owner's powers: it can be paused, block an address, and be upgraded.
contract OwnedToken {
    uint8 public decimals = 6;
    mapping(address => uint256) public balanceOf;
    mapping(address => bool) public isBlocked;
    bool public isPaused;

    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor() {
        balanceOf[msg.sender] = 1e18;
    }

    function setPaused(bool value) external {
        isPaused = value;
    }

    function setBlocked(address who, bool value) external {
        isBlocked[who] = value;
    }

    /// The funds of a blocked address are burnt, and no Transfer tells.
    function destroyBlockedFunds(address who) external {
        require(isBlocked[who], "not blocked");
        balanceOf[who] = 0;
    }

    function upgrade(uint8 places) external {
        decimals = places;
    }

    function transfer(address to, uint256 value) external {
        require(!isPaused, "paused");
        require(!isBlocked[to] && !isBlocked[msg.sender], "blocked");
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
        emit Transfer(msg.sender, to, value);
    }
}

/// Pays the same address many times in one transaction.
contract Dust {
    function pay(address payable to, uint256 times) external payable {
        for (uint256 i = 0; i < times; i++) {
            (bool done, ) = to.call{value: 1}("");
            require(done, "refused");
        }
    }
}
