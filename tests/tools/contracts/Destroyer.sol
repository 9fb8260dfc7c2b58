// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// Pays by SELFDESTRUCT: no call reaches the receiver.
contract Destroyer {
    constructor() payable {}

    function destroy(address payable to) external payable {
        selfdestruct(to);
    }
}

/// The same from a creating transaction, which has no `to` at all.
contract DestroyedAtBirth {
    constructor(address payable to) payable {
        selfdestruct(to);
    }
}
