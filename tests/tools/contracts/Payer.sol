// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

interface IToken {
    function transfer(address to, uint256 value) external;
}

/// Pays as contracts do: without a log, and not by the transaction's own value.
contract Payer {
    address payable public stored;

    /// The receiver is named in calldata.
    function pay(address payable to) external payable {
        _send(to, msg.value);
    }

    function remember(address payable to) external {
        stored = to;
    }

    /// The receiver is nowhere in the transaction: it comes from storage.
    receive() external payable {
        _send(stored, msg.value);
    }

    /// Three payments, of which the second is undone.
    function payThrice(address payable to) external payable {
        uint256 part = msg.value / 3;
        _send(to, part);
        try this.payAndFail{value: part}(to) {} catch {}
        _send(to, part);
    }

    /// Pays, then undoes it; the transaction itself succeeds.
    function tryAndFail(address payable to) external payable {
        try this.payAndFail{value: msg.value}(to) {} catch {}
    }

    function payAndFail(address payable to) external payable {
        _send(to, msg.value);
        revert("undone");
    }

    /// Two identical token transfers in one transaction.
    function payTokenTwice(IToken token, address to, uint256 value) external {
        token.transfer(to, value);
        token.transfer(to, value);
    }

    function _send(address payable to, uint256 value) private {
        (bool done, ) = to.call{value: value}("");
        require(done, "refused");
    }
}
