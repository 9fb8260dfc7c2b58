// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// A price feed with Chainlink's AggregatorV3Interface, whose rounds the test writes by hand.
/// Numbers are those of a proxy: the aggregator's phase in the upper bits, its own number from 1 below.
contract PriceFeed {
    uint80 constant PHASE = 2 << 64;

    struct Round {
        int256 answer;
        uint256 updatedAt;
    }

    uint8 public immutable decimals;
    uint256 public constant version = 4;
    string public description;
    Round[] rounds;

    constructor(uint8 decimals_, bytes32 name) {
        decimals = decimals_;
        uint256 length;
        while (length < 32 && name[length] != 0) length++;
        bytes memory text = new bytes(length);
        for (uint256 i = 0; i < length; i++) text[i] = name[i];
        description = string(text);
    }

    function give(int256 answer, uint256 updatedAt) external {
        rounds.push(Round(answer, updatedAt));
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return _round(uint80(rounds.length));
    }

    function getRoundData(uint80 number) external view returns (uint80, int256, uint256, uint256, uint80) {
        require(number > PHASE, "No data present");
        return _round(number - PHASE);
    }

    function _round(uint80 number) private view returns (uint80, int256, uint256, uint256, uint80) {
        require(number > 0 && number <= rounds.length, "No data present");
        Round memory found = rounds[number - 1];
        return (PHASE + number, found.answer, found.updatedAt, found.updatedAt, PHASE + number);
    }
}
