// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// A smart wallet: it pays on anybody's word, by its code, so that its account's nonce does not grow.
contract Wallet {
    receive() external payable {}

    function execute(address payable to, uint256 value) external {
        (bool done, ) = to.call{value: value}("");
        require(done, "refused");
    }
}
